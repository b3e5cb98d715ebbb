"""Brings a database's schema up to date, for both engines, and tells how far it is.

A schema never goes back: an older program refuses a newer schema, and a backup is the way
to return.
"""

import enum
from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from server.otp.ports import StoreUnavailableError
from server.storage.postgres.connection import postgres_engine
from server.storage.refusals import SchemaRefusedError
from server.storage.sqlite.connection import create_database_file, sqlite_engine

if TYPE_CHECKING:
    from collections.abc import Callable
