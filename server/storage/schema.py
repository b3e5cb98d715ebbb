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
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    text,
)

from server.storage.fleet_triggers import with_triggers
from server.usage.kinds import KINDS

metadata = MetaData()

# Public ids and operators' names are compared byte by byte, so that both engines list them in the
# same order. SQLite does that by default. A public id may be the empty string.
PublicId = Text(collation="C").with_variant(Text(), "sqlite")

customer = Table(
    "customer",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("name", Text, nullable=False),
    Column("entity", Text, nullable=False),
    # The plan's term [from, to), as ISO dates; both NULL: no plan.
    Column("plan_from", Text),
    Column("plan_to", Text),
    Column("validation", Boolean, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# Which version of the usage requirements was accepted; nothing here is ever changed.
acceptance = Table(
    "acceptance",
    metadata,
    Column("customer_id", BigInteger, ForeignKey("customer.id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("version", Text, nullable=False),
    Column("accepted_us", BigInteger, nullable=False),
    Column("accepted_by", Text, nullable=False),
    sqlite_with_rowid=False,
)

# kinds: separated by blanks, in alphabetical order.
contact = Table(
    "contact",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("customer_id", BigInteger, ForeignKey("customer.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("email", Text, nullable=False),
    Column("phone", Text, nullable=False),
    Column("kinds", Text, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Index("contact_by_customer", "customer_id", "id"),
    sqlite_with_rowid=False,
)

# Operators are disabled, never removed: the journal knows them by name.
operator = Table(
    "operator",
    metadata,
    Column("name", PublicId, primary_key=True),
    Column("role", Text, nullable=False),
    Column("customer_id", BigInteger, ForeignKey("customer.id")),
    Column("active", Boolean, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# digest: SHA-256 of the secret, which is nowhere.
operator_token = Table(
    "operator_token",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("operator", PublicId, ForeignKey("operator.name"), nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    Column("last_used_us", BigInteger),
    Column("revoked_us", BigInteger),
    Index("operator_token_by_operator", "operator", "number"),
    sqlite_with_rowid=False,
)

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

# Whose a client is. One without a row is nobody's.
client_owner = Table(
    "client_owner",
    metadata,
    Column("client_id", BigInteger, ForeignKey("client.id"), primary_key=True),
    Column("customer_id", BigInteger, ForeignKey("customer.id"), nullable=False),
    Index("client_owner_by_customer", "customer_id", "client_id"),
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

# Keys that were minted here (server/provisioning), beside their rows as any key's. message: the
# sealed release while it is offered, then nothing; in_hsm: whether the record was made an AEAD.
# Those that were destroyed stay, so that the next secret of a public id gets the next generation.
minted_key = Table(
    "minted_key",
    metadata,
    Column("public_id", PublicId, primary_key=True),
    Column("generation", Integer, primary_key=True, autoincrement=False),
    Column("order_name", Text, nullable=False),
    Column("serial", BigInteger, nullable=False),
    Column("station", Text, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    Column("release_state", Text, nullable=False),
    Column("message", LargeBinary, nullable=False),
    Column("state", Text, nullable=False),
    Column("in_hsm", Boolean, nullable=False),
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

# The chain of what was administered (server/journal). before, after: JSON, or NULL.
journal = Table(
    "journal",
    metadata,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("time_us", BigInteger, nullable=False),
    Column("actor_kind", Text, nullable=False),
    Column("actor_name", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("object_kind", Text, nullable=False),
    Column("object_id", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("before", Text),
    Column("after", Text),
    Column("previous", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Index("journal_by_object", "object_kind", "object_id", "sequence"),
    sqlite_with_rowid=False,
)

# One row: where the chain ends. Whoever appends holds its lock until the commit, so numbers
# have no gaps; a journal that lost its last entries does not go on as if they had never been.
journal_head = Table(
    "journal_head",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    CheckConstraint("id = 1", name="journal_has_one_head"),
    sqlite_with_rowid=False,
)

journal_checkpoint = Table(
    "journal_checkpoint",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("time_us", BigInteger, nullable=False),
    Column("key_id", LargeBinary, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

# What happened, for jobs (server/facts.py). Positions are taken from `sequence` as the last
# thing of a transaction: without gaps, and in the order of commits.
fact = Table(
    "fact",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("time_us", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Index("fact_by_subject", "subject"),
    sqlite_with_rowid=False,
)

fact_reader = Table(
    "fact_reader",
    metadata,
    Column("name", Text, primary_key=True),
    Column("position", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# Who may do something alone (server/leases.py). Tokens count up and are never given twice.
lease = Table(
    "lease",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# What was answered, per minute since the epoch and client (server/usage): a count for each of
# `server.usage.kinds.KINDS`. client_id 0: of no client that is known; -1: of clients beyond a cap.
# No reference to `client`: these rows belong to no client's row, and are written in a hurry.
usage_minute = Table(
    "usage_minute",
    metadata,
    Column("minute", BigInteger, primary_key=True, autoincrement=False),
    Column("client_id", BigInteger, primary_key=True, autoincrement=False),
    *(Column(kind, Integer, nullable=False) for kind in KINDS),
    sqlite_with_rowid=False,
)

# The last parcel of each process that counts: one that is sent again is not added again.
usage_sender = Table(
    "usage_sender",
    metadata,
    Column("sender", Text, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("heard_us", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# What was done with each maintenance (server/maintenance): rows are added, never changed.
maintenance_record = Table(
    "maintenance_record",
    metadata,
    Column("maintenance_id", BigInteger, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("step", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("component", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("start_s", BigInteger, nullable=False),
    Column("end_s", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# The chain of what availability and incidents are proved with (server/ledger). digest: of salt and
# payload (JSON), which are both NULL once they were erased.
ledger = Table(
    "ledger",
    metadata,
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("time_us", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("previous", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("salt", LargeBinary),
    Column("payload", Text),
    Index("ledger_by_subject", "kind", "subject", "sequence"),
    sqlite_with_rowid=False,
)

# One row: where the ledger ends, as `journal_head` is for the journal.
ledger_head = Table(
    "ledger_head",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    CheckConstraint("id = 1", name="ledger_has_one_head"),
    sqlite_with_rowid=False,
)

ledger_checkpoint = Table(
    "ledger_checkpoint",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("sequence", BigInteger, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("time_us", BigInteger, nullable=False),
    Column("key_id", LargeBinary, nullable=False),
    Column("signature", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

# What probers found, per minute since the epoch (server/uptime): all probers together.
probe_minute = Table(
    "probe_minute",
    metadata,
    Column("minute", BigInteger, primary_key=True, autoincrement=False),
    Column("good", Integer, nullable=False),
    Column("bad", Integer, nullable=False),
    sqlite_with_rowid=False,
)

# Who hands in what they found (server/probing): the last number of each, and how the service stands
# by it. told: the last fact about it said failing.
prober = Table(
    "prober",
    metadata,
    Column("name", Text, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Column("heard_us", BigInteger, nullable=False),
    Column("missing", BigInteger, nullable=False),
    Column("failing", Boolean, nullable=False),
    Column("bad", Integer, nullable=False),
    Column("good", Integer, nullable=False),
    Column("since_us", BigInteger, nullable=False),
    Column("why", Text, nullable=False),
    Column("told", Boolean, nullable=False),
    sqlite_with_rowid=False,
)

# One row for each round, for some weeks; what a minute comes to stays in `probe_minute`.
probe_round = Table(
    "probe_round",
    metadata,
    Column("minute", BigInteger, primary_key=True, autoincrement=False),
    Column("prober", Text, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("outcome", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("until_us", BigInteger, nullable=False),
    Column("why", Text, nullable=False),
    sqlite_with_rowid=False,
)

# Minutes, both included, of which a prober knows nothing; whatever it found in them does not hold.
probe_unknown = Table(
    "probe_unknown",
    metadata,
    Column("prober", Text, primary_key=True),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("first", BigInteger, nullable=False),
    Column("last", BigInteger, nullable=False),
    Column("why", Text, nullable=False),
    sqlite_with_rowid=False,
)

# What was told to whom, and what became of it (server/notices). place: an e-mail address or a URL,
# "" once it was erased; payload: JSON.
delivery = Table(
    "delivery",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("delivery_id", Text, nullable=False, unique=True),
    Column("key", Text, nullable=False),
    Column("occasion", Text, nullable=False),
    Column("subject_kind", Text, nullable=False),
    Column("subject_id", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("way", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("customer_id", BigInteger),
    Column("happened_us", BigInteger, nullable=False),
    Column("words", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("payload", Text, nullable=False),
    Column("standing", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_us", BigInteger, nullable=False),
    Column("next_us", BigInteger, nullable=False),
    Column("ended_us", BigInteger),
    Column("detail", Text, nullable=False),
    Index("delivery_by_standing", "standing", "next_us"),
    Index("delivery_by_subject", "subject_kind", "subject_id", "number"),
    sqlite_with_rowid=False,
)

# What is looked for among incidents (server/incidents): it follows from their records, and is
# written with them. reference: the prober's, of one that was handed in; effect: what was confirmed
# or amended, in seconds; effect_end_s NULL while a loss is open.
incident = Table(
    "incident",
    metadata,
    Column("incident_id", BigInteger, primary_key=True, autoincrement=False),
    Column("reference", Text, unique=True),
    Column("state", Text, nullable=False),
    Column("is_public", Boolean, nullable=False),
    Column("changed_us", BigInteger, nullable=False),
    Column("effect_start_s", BigInteger),
    Column("effect_end_s", BigInteger),
    sqlite_with_rowid=False,
)

# What was done with each incident: rows are added, never changed. detail: JSON, or NULL.
incident_record = Table(
    "incident_record",
    metadata,
    Column("incident_id", BigInteger, ForeignKey("incident.incident_id"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("step", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("author_kind", Text, nullable=False),
    Column("author_name", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("detail", Text),
    sqlite_with_rowid=False,
)

# Due instants as they were computed, with the fingerprint of the holidays; never computed anew.
incident_due = Table(
    "incident_due",
    metadata,
    Column("incident_id", BigInteger, ForeignKey("incident.incident_id"), primary_key=True),
    Column("clock", Text, primary_key=True),
    Column("severity", SmallInteger, primary_key=True, autoincrement=False),
    Column("start_s", BigInteger, primary_key=True, autoincrement=False),
    Column("due_s", BigInteger),
    Column("calendar", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),
    sqlite_with_rowid=False,
)

# What was reminded of: each once.
incident_reminder = Table(
    "incident_reminder",
    metadata,
    Column("incident_id", BigInteger, ForeignKey("incident.incident_id"), primary_key=True),
    Column("clock", Text, primary_key=True),
    Column("start_s", BigInteger, primary_key=True, autoincrement=False),
    Column("due_s", BigInteger, primary_key=True, autoincrement=False),
    Column("moment", Text, primary_key=True),
    Column("told_us", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# What was counted, rolled up (server/uptime): a day of a client, later its month. client_id 0: all
# together; -1: the probes. days: JSON, the sums of each; seen: packed bits; exceptions: JSON.
uptime_segment = Table(
    "uptime_segment",
    metadata,
    Column("client_id", BigInteger, primary_key=True, autoincrement=False),
    Column("first_day", Integer, primary_key=True, autoincrement=False),
    Column("end_day", Integer, nullable=False),
    Column("days", Text, nullable=False),
    Column("seen", LargeBinary, nullable=False),
    Column("exceptions", Text, nullable=False),
    sqlite_with_rowid=False,
)

# Days that were rolled up: segments of others do not count yet.
uptime_day = Table(
    "uptime_day",
    metadata,
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("root", LargeBinary, nullable=False),
    Column("segments", Integer, nullable=False),
    Column("requests", BigInteger, nullable=False),
    Column("min_requests", Integer, nullable=False),
    Column("notice_s", Integer, nullable=False),
    sqlite_with_rowid=False,
)

# The analysis report of each incident (server/reports), step by step: rows are added, never
# changed. content: the report as JSON as it was then.
report_record = Table(
    "report_record",
    metadata,
    Column("incident_id", BigInteger, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("step", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("author", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("content", Text, nullable=False),
    sqlite_with_rowid=False,
)

# What was told to authorities of an incident: rows are added, never changed.
regulatory_record = Table(
    "regulatory_record",
    metadata,
    Column("incident_id", BigInteger, primary_key=True, autoincrement=False),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("regime", Text, nullable=False),
    Column("step", Text, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("when_s", BigInteger, nullable=False),
    Column("author", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("aware_s", BigInteger),
    sqlite_with_rowid=False,
)

# What of authorities' clocks was reminded of: each once.
regulatory_reminder = Table(
    "regulatory_reminder",
    metadata,
    Column("incident_id", BigInteger, primary_key=True, autoincrement=False),
    Column("regime", Text, primary_key=True),
    Column("stage", Text, primary_key=True),
    Column("due_s", BigInteger, primary_key=True, autoincrement=False),
    Column("moment", Text, primary_key=True),
    Column("told_us", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# Hosts with an agent, and the keys that they saw (server/fleet). Days are ISO dates.
fleet_token = Table(
    "fleet_token",
    metadata,
    Column("token_id", BigInteger, primary_key=True, autoincrement=False),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("host_name", Text, nullable=False),
    Column("expires_us", BigInteger, nullable=False),
    Column("replaces", Boolean, nullable=False),
    Column("host_id", Text),
    Column("folded", Text, nullable=False, server_default=text("''")),
    Index("fleet_token_by_name", "folded"),
    sqlite_with_rowid=False,
)

# folded: the name as names are compared (server/fleet/host_name.py). person: whose it is, "" =
# nobody said. silent_us: when it was noticed that the host had not reported for long; a report
# after that makes it another one again.
fleet_host = Table(
    "fleet_host",
    metadata,
    Column("host_id", PublicId, primary_key=True),
    Column("name", Text, nullable=False),
    Column("folded", Text, nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("state", Text, nullable=False),
    Column("system", Text, nullable=False),
    Column("release", Text, nullable=False),
    Column("agent", Text, nullable=False),
    Column("software", Text, nullable=False),
    Column("enrolled_us", BigInteger, nullable=False),
    Column("reported_us", BigInteger),
    Column("sequence", BigInteger, nullable=False),
    Column("report_id", Text, nullable=False),
    Column("dropped", BigInteger, nullable=False),
    Column("missing", BigInteger, nullable=False),
    Column("clashes", BigInteger, nullable=False),
    Column("person", Text, nullable=False, server_default=""),
    Column("person_folded", Text, nullable=False, server_default=""),
    Column("person_after", Text, nullable=False, server_default=""),
    Column("altered", BigInteger, nullable=False, server_default="0"),
    Column("silent_us", BigInteger),
    Index("fleet_host_by_name", "folded"),
    Index("fleet_host_by_state", "state"),
    Index("fleet_host_by_person", "person_folded"),
    sqlite_with_rowid=False,
    # Every report writes its host anew: there is room for that beside it.
    postgresql_with={"fillfactor": 70},
)

# What everybody's reports say of a key. digest: of the newest report of it, by host_id, on the day
# `said`: the same again changes nothing, and on a later day, where it is whole, only the days of
# its facts. firmware: the version as one number in order; line: the products that it can be; level:
# the worst of health, as it was judged; due: the day on which it may be another one. rulebook: by
# which it was judged, "" = it is to be judged anew; hits: of advisories then, as JSON.
# Facts stand last: what comes behind them is read through all of their pages on SQLite, where the
# table has a rowid besides: with such rows in its nodes, a tree of names is ten nodes deep.
fleet_key = Table(
    "fleet_key",
    metadata,
    Column("key_id", PublicId, primary_key=True),
    Column("serial", BigInteger),
    Column("firmware", BigInteger),
    Column("line", Text, nullable=False, server_default=""),
    Column("level", SmallInteger, nullable=False),
    Column("first_seen", Text, nullable=False),
    Column("last_seen", Text, nullable=False),
    Column("said", Text, nullable=False),
    Column("whole", Boolean, nullable=False),
    Column("judged", Text, nullable=False),
    Column("due", Text),
    Column("host_id", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("changes", BigInteger().with_variant(Integer(), "sqlite"), nullable=False),
    Column("rulebook", Text, nullable=False, server_default=""),
    Column("hits", Text, nullable=False, server_default="{}"),
    Column("facts", Text, nullable=False),
    Column("unreadable", Text, nullable=False),
    Index("fleet_key_by_rulebook", "rulebook", "key_id"),
    # One for all that keys are looked for by, alone and together, each ending in the order in which
    # they are listed: whatever is asked for, a page is read and nothing besides.
    Index("fleet_key_by_serial", "serial"),
    Index("fleet_key_by_firmware", "firmware", "key_id"),
    Index("fleet_key_by_level", "level", "key_id"),
    Index("fleet_key_by_level_firmware", "level", "firmware", "key_id"),
    # What is counted, read without the table; and what is to be judged again.
    Index("fleet_key_counted", "level", "line", "firmware"),
    Index("fleet_key_by_due", "due"),
    # A day that moves on is written beside the old row, and no index is touched.
    postgresql_with={"fillfactor": 85},
)

# A rule that found something at a key. Level and firmware are the key's, which triggers keep so
# (fleet_triggers.py): they are what a rule is looked for together with.
fleet_fault = Table(
    "fleet_fault",
    metadata,
    Column("rule", Text, primary_key=True),
    Column("key_id", PublicId, primary_key=True),
    Column("level", SmallInteger),
    Column("firmware", BigInteger),
    Index("fleet_fault_by_key", "key_id"),
    Index("fleet_fault_by_level", "rule", "level", "key_id"),
    Index("fleet_fault_by_firmware", "rule", "firmware", "key_id"),
    Index("fleet_fault_by_level_firmware", "rule", "level", "firmware", "key_id"),
    sqlite_with_rowid=False,
)

fleet_sighting = Table(
    "fleet_sighting",
    metadata,
    Column("key_id", PublicId, primary_key=True),
    Column("host_id", PublicId, primary_key=True),
    Column("first_day", Text, nullable=False),
    Column("last_day", Text, nullable=False),
    Column("attached", Boolean),
    Index("fleet_sighting_by_host", "host_id", "key_id"),
    sqlite_with_rowid=False,
)

fleet_change = Table(
    "fleet_change",
    metadata,
    Column("key_id", PublicId, primary_key=True),
    Column(
        "number",
        BigInteger().with_variant(Integer(), "sqlite"),
        primary_key=True,
        autoincrement=False,
    ),
    Column("at_us", BigInteger, nullable=False),
    Column("host_id", Text, nullable=False),
    Column("fact", Text, nullable=False),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    Index("fleet_change_by_time", "at_us"),
    sqlite_with_rowid=False,
)

# Keys that were erased by hand, and until which day they were seen is not to be heard. digest: of
# the key's id, under the organisation's key (server/fleet/forgotten.py): it names nobody.
fleet_forgotten = Table(
    "fleet_forgotten",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("day", Text, nullable=False),
    sqlite_with_rowid=False,
)

# Who holds a key, which need not have been seen; after, lost: ISO dates, "" = none.
fleet_holder = Table(
    "fleet_holder",
    metadata,
    Column("key_id", PublicId, primary_key=True),
    Column("person", Text, nullable=False),
    Column("person_folded", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("after", Text, nullable=False),
    Column("lost", Text, nullable=False),
    Index("fleet_holder_by_person", "person_folded", "key_id"),
    sqlite_with_rowid=False,
)

# What a host's user says of a key. One that does not wait any more has no person, and stays so that
# it does not come again.
fleet_claim = Table(
    "fleet_claim",
    metadata,
    Column("key_id", PublicId, primary_key=True),
    Column("host_id", PublicId, primary_key=True),
    Column("claim_id", PublicId, nullable=False, unique=True),
    Column("number", BigInteger, nullable=False),
    Column("day", Text, nullable=False),
    Column("person", Text, nullable=False),
    Column("person_folded", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("waits", Boolean, nullable=False),
    Index("fleet_claim_by_host", "host_id"),
    Index("fleet_claim_by_person", "person_folded"),
    sqlite_with_rowid=False,
)

# Why a rule of custody finds something at a key: a person's folded name, or a host's id.
fleet_alarm = Table(
    "fleet_alarm",
    metadata,
    Column("key_id", PublicId, primary_key=True),
    Column("rule", PublicId, primary_key=True),
    Column("party", PublicId, primary_key=True),
    sqlite_with_rowid=False,
)
with_triggers(metadata)

# Files of advisories that were loaded, and decisions that one is critical: rows are added, never
# changed (server/fleet). signer: the id of the key that signed.
fleet_advisory_file = Table(
    "fleet_advisory_file",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("edition", BigInteger, nullable=False),
    Column("signer", LargeBinary, nullable=False),
    Column("digest", Text, nullable=False),
    Column("loaded_us", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("content", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

fleet_decision = Table(
    "fleet_decision",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("advisory_id", Text, nullable=False),
    Column("critical", Boolean, nullable=False),
    Column("edition", BigInteger, nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("criterion", Text, nullable=False),
    sqlite_with_rowid=False,
)

CLIENT_SEQUENCE = "client"
IMPORT_SEQUENCE = "key_import"
CHECKPOINT_SEQUENCE = "journal_checkpoint"
FACT_SEQUENCE = "fact"
CUSTOMER_SEQUENCE = "customer"
CONTACT_SEQUENCE = "contact"
TOKEN_SEQUENCE = "operator_token"  # noqa: S105 - a name, not a secret
MAINTENANCE_SEQUENCE = "maintenance"
FLEET_SEQUENCE = "fleet_token"
DELIVERY_SEQUENCE = "delivery"
LEDGER_CHECKPOINT_SEQUENCE = "ledger_checkpoint"
INCIDENT_SEQUENCE = "incident"
REPORT_SEQUENCE = "report"
SEQUENCES = (
    CLIENT_SEQUENCE,
    REPORT_SEQUENCE,
    IMPORT_SEQUENCE,
    CHECKPOINT_SEQUENCE,
    FACT_SEQUENCE,
    CUSTOMER_SEQUENCE,
    CONTACT_SEQUENCE,
    TOKEN_SEQUENCE,
    MAINTENANCE_SEQUENCE,
    FLEET_SEQUENCE,
    DELIVERY_SEQUENCE,
    INCIDENT_SEQUENCE,
    LEDGER_CHECKPOINT_SEQUENCE,
)
UNFINISHED_IMPORT = "unfinished-key-import"
MOVED_TO = "moved-to"
"""In a store that was moved: where to. Nobody serves from it any more."""

MOVE_UNDER_WAY = "move-under-way"
"""In a store that another one is being moved to. Nobody serves from it yet."""
