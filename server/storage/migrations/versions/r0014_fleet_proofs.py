"""Proofs of keys: how often a host contradicted what a key proved of itself."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Count it. A fact's level stands in the facts of its key, where only other ones are named."""
    op.add_column(
        "fleet_host", sa.Column("altered", sa.BigInteger, nullable=False, server_default="0")
    )
