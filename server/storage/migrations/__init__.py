"""The history of the schema, told to alembic; `server.storage.upgrade` runs it."""
