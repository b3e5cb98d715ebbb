"""What the fleet forgets: hosts that are silent, keys that were erased, and where to look.

Names of hosts are folded anew: two that look the same are one (`server.fleet.host_name`). How many
changes a key had is counted in 64 bits, for a laptop that flips a fact all day gets far.
"""

import unicodedata

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns, the table and the indexes."""
    op.add_column("fleet_host", sa.Column("silent_us", sa.BigInteger))
    op.add_column(
        "fleet_token", sa.Column("folded", sa.Text, nullable=False, server_default=sa.text("''"))
    )
    op.create_index("fleet_token_by_name", "fleet_token", ["folded"])
    op.create_index("fleet_change_by_time", "fleet_change", ["at_us"])
    op.create_index("fact_by_subject", "fact", ["subject"])
    op.create_table(
        "fleet_forgotten",
        sa.Column("digest", sa.LargeBinary, primary_key=True),
        sa.Column("day", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    if op.get_context().dialect.name == "postgresql":  # SQLite's numbers have no size
        for table, column in (("fleet_key", "changes"), ("fleet_change", "number")):
            op.alter_column(table, column, type_=sa.BigInteger, existing_nullable=False)
    _fold("fleet_token", "token_id", "host_name")
    _fold("fleet_host", "host_id", "name")


def _fold(table: str, key: str, name: str) -> None:
    """Fill a table's `folded` from its names, as `server.fleet.host_name.folded` has it."""
    rows = sa.table(table, sa.column(key), sa.column(name), sa.column("folded"))
    connection = op.get_bind()
    found = connection.execute(sa.select(rows.c[key], rows.c[name], rows.c["folded"])).all()
    for number, text, was in found:
        now = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
        if now != was:
            row = sa.update(rows).where(rows.c[key] == number)
            connection.execute(row.values(folded=now))
