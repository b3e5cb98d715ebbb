"""The tables, once for both engines; the migrations create them and a test compares the two.

What the decision reads and writes for every OTP stands in rows of its own, as narrow as
possible: `otp_key` (counters) and `budget`. Sealed records, names and reasons lie elsewhere.
Times are microseconds since the epoch; counters are -1 before the first accepted OTP.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
)

metadata = MetaData()

# Public ids are compared byte by byte, so that both engines list them in the same order.
# SQLite does that by default. A public id may be the empty string.
PublicId = Text(collation="C").with_variant(Text(), "sqlite")

client = Table(
    "client",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
    Column("signed_only", Boolean, nullable=False),
    Column("phishing_test", Boolean, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    # A limit of the client's own; all NULL: the configured default holds.
    Column("step_us", BigInteger),
    Column("slack_us", BigInteger),
    Column("day_step_us", BigInteger),
    Column("day_slack_us", BigInteger),
    Column("shadow", Boolean),
    Column("limit_reason", Text),
    Column("limit_expires_us", BigInteger),
    # What an import brought along: who to write to, and free text.
    Column("email", Text),
    Column("notes", Text),
    sqlite_with_rowid=False,
)

api_key = Table(
    "api_key",
    metadata,
    Column("client_id", BigInteger, ForeignKey("client.id"), primary_key=True),
    Column("key_id", Integer, primary_key=True, autoincrement=False),
    Column("record", LargeBinary, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# A page of PostgreSQL's holds few budgets, so that their many new versions stay on it (HOT).
budget = Table(
    "budget",
    metadata,
    Column("client_id", BigInteger, ForeignKey("client.id"), primary_key=True),
    Column("bucket", SmallInteger, primary_key=True, autoincrement=False),
    Column("burst_tat_us", BigInteger, nullable=False),
    Column("day_tat_us", BigInteger, nullable=False),
    sqlite_with_rowid=False,
    postgresql_with={"fillfactor": 20},
)

# version counts from 1. In SQLite a negative version -n reads as "version 1, came with
# import n", and is not there at all until import n has ended (sqlite/key_import.py).
otp_key = Table(
    "otp_key",
    metadata,
    Column("accepted_us", BigInteger, nullable=False),
    Column("accepted_client", BigInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Column("clock", Integer, nullable=False),
    Column("session", SmallInteger, nullable=False),
    Column("use", SmallInteger, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("public_id", PublicId, primary_key=True),
    Column("nonce", Text, nullable=False),
    CheckConstraint("session BETWEEN -1 AND 32767", name="session_of_15_bits"),
    CheckConstraint("use BETWEEN -1 AND 255", name="use_of_8_bits"),
    sqlite_with_rowid=False,
    postgresql_with={"fillfactor": 85},
)

otp_key_record = Table(
    "otp_key_record",
    metadata,
    Column("public_id", PublicId, primary_key=True),
    Column("generation", Integer, nullable=False),
    Column("record", LargeBinary, nullable=False),
    Column("serial", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# Counters that an import brought for keys which nobody has: the day the key comes, it starts
# from here. They belong to an import that may not have ended, as rows of otp_key do.
kept_counter = Table(
    "kept_counter",
    metadata,
    Column("public_id", PublicId, primary_key=True),
    Column("active", Boolean, nullable=False),
    Column("session", SmallInteger, nullable=False),
    Column("use", SmallInteger, nullable=False),
    Column("clock", Integer, nullable=False),
    Column("nonce", Text, nullable=False),
    Column("accepted_us", BigInteger, nullable=False),
    Column("import_number", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# Numbers that are given out once and never again, also when what got one was never made.
sequence = Table(
    "sequence",
    metadata,
    Column("name", Text, primary_key=True),
    Column("last", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

meta = Table(
    "meta",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    sqlite_with_rowid=False,
)

CLIENT_SEQUENCE = "client"
IMPORT_SEQUENCE = "key_import"
UNFINISHED_IMPORT = "unfinished-key-import"
MOVED_TO = "moved-to"
"""In a store that was moved: where to. Nobody serves from it any more."""

MOVE_UNDER_WAY = "move-under-way"
"""In a store that another one is being moved to. Nobody serves from it yet."""
