"""The embedded keeper: one SQLite file, owned by one process."""
