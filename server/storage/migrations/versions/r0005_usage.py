"""What was answered, per minute and client."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_KINDS = (
    "ok",
    "bad_otp",
    "replayed_otp",
    "replayed_request",
    "delayed_otp",
    "bad_signature",
    "missing_parameter",
    "no_such_client",
    "operation_not_allowed",
    "backend_error",
    "not_enough_answers",
    "limited",
    "beyond_level",
    "fault",
)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "usage_minute",
        sa.Column("minute", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("client_id", sa.BigInteger, primary_key=True, autoincrement=False),
        *(sa.Column(kind, sa.Integer, nullable=False) for kind in _KINDS),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "usage_sender",
        sa.Column("sender", sa.Text, primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.Column("heard_us", sa.BigInteger, nullable=False),
        sqlite_with_rowid=False,
    )
