"""Alembic's environment: runs on the connection that `server.storage.upgrade` hands over.

There is no alembic.ini and no offline mode: the program that uses the schema upgrades it.
"""

from alembic import context

from server.storage.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    # SQLite changes a table by copying it; written down for the migrations to come.
    render_as_batch=True,
)
context.run_migrations()
