"""Why a store will not open: mistakes of configuration that a person must put right."""


class StoreRefusedError(Exception):
    """The store cannot be used as configured. The message says what to do about it."""


class SchemaRefusedError(StoreRefusedError):
    """The database's schema is not the one this program was written for."""


class DatabaseUrlRefusedError(StoreRefusedError):
    """The database URL is malformed, or carries a secret that belongs into a file."""


class UnsafeDatabaseError(StoreRefusedError):
    """The database is set up so that a confirmed commit could be lost, or is too old."""


class MovedStoreError(StoreRefusedError):
    """The store was moved to another database, or one is being moved here."""
