"""The embedded keeper: one SQLite file, owned by one process."""

from server.storage.sqlite.store import SqliteStore, open_sqlite

__all__ = ["SqliteStore", "open_sqlite"]
