"""Customers with their contacts, operators with their tokens, and whose a client is."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_Name = sa.Text(collation="C").with_variant(sa.Text(), "sqlite")


def upgrade() -> None:
    """Create the tables; clients that are there already are nobody's."""
    _create_customers()
    _create_operators()
    op.create_table(
        "client_owner",
        sa.Column("client_id", sa.BigInteger, sa.ForeignKey("client.id"), primary_key=True),
        sa.Column("customer_id", sa.BigInteger, sa.ForeignKey("customer.id"), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("client_owner_by_customer", "client_owner", ["customer_id", "client_id"])
    sequence = sa.table("sequence", sa.column("name", sa.Text), sa.column("last", sa.BigInteger))
    op.bulk_insert(
        sequence,
        [{"name": name, "last": 0} for name in ("customer", "contact", "operator_token")],
    )


def _create_customers() -> None:
    op.create_table(
        "customer",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("entity", sa.Text, nullable=False),
        sa.Column("plan_from", sa.Text),
        sa.Column("plan_to", sa.Text),
        sa.Column("validation", sa.Boolean, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "acceptance",
        sa.Column("customer_id", sa.BigInteger, sa.ForeignKey("customer.id"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("accepted_us", sa.BigInteger, nullable=False),
        sa.Column("accepted_by", sa.Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "contact",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("customer_id", sa.BigInteger, sa.ForeignKey("customer.id"), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("email", sa.Text, nullable=False),
        sa.Column("phone", sa.Text, nullable=False),
        sa.Column("kinds", sa.Text, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("contact_by_customer", "contact", ["customer_id", "id"])


def _create_operators() -> None:
    op.create_table(
        "operator",
        sa.Column("name", _Name, primary_key=True),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("customer_id", sa.BigInteger, sa.ForeignKey("customer.id")),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "operator_token",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("operator", _Name, sa.ForeignKey("operator.name"), nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("expires_us", sa.BigInteger, nullable=False),
        sa.Column("last_used_us", sa.BigInteger),
        sa.Column("revoked_us", sa.BigInteger),
        sqlite_with_rowid=False,
    )
    op.create_index("operator_token_by_operator", "operator_token", ["operator", "number"])
