"""Who holds which key, whose a host is, what hosts' users claim, and alarms at keys."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_Id = sa.Text(collation="C").with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    """Create the tables, and say whose hosts are: nobody's so far."""
    for name in ("person", "person_folded", "person_after"):
        column = sa.Column(name, sa.Text, nullable=False, server_default="")
        op.add_column("fleet_host", column)
    op.create_index("fleet_host_by_person", "fleet_host", ["person_folded"])
    op.create_table(
        "fleet_holder",
        sa.Column("key_id", _Id, primary_key=True),
        sa.Column("person", sa.Text, nullable=False),
        sa.Column("person_folded", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("after", sa.Text, nullable=False),
        sa.Column("lost", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("fleet_holder_by_person", "fleet_holder", ["person_folded", "key_id"])
    op.create_table(
        "fleet_claim",
        sa.Column("key_id", _Id, primary_key=True),
        sa.Column("host_id", _Id, primary_key=True),
        sa.Column("claim_id", _Id, nullable=False, unique=True),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("day", sa.Text, nullable=False),
        sa.Column("person", sa.Text, nullable=False),
        sa.Column("person_folded", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("waits", sa.Boolean, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("fleet_claim_by_host", "fleet_claim", ["host_id"])
    op.create_index("fleet_claim_by_person", "fleet_claim", ["person_folded"])
    op.create_table(
        "fleet_alarm",
        sa.Column("key_id", _Id, primary_key=True),
        sa.Column("rule", _Id, primary_key=True),
        sa.Column("party", _Id, primary_key=True),
        sqlite_with_rowid=False,
    )
