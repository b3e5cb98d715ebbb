"""The administrative books over SQLAlchemy Core: the same statements on both engines."""
