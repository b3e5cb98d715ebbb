"""The production keeper: PostgreSQL, shared by any number of workers and machines."""

from server.storage.postgres.store import PostgresStore, open_postgres

__all__ = ["PostgresStore", "open_postgres"]
