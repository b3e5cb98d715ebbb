"""The SQL of the embedded hot path: everything a batch needs in one row, all changes in two.

Python's sqlite3 lets go of the interpreter lock at every step of a statement, and the event
loop's thread takes it. So one row of JSON costs less than many rows, and one statement for
all rows less than many executions (docs/performance.md).
"""

from functools import lru_cache

from server.storage.schema import UNFINISHED_IMPORT

ROWS_AT_ONCE = 64
"""Rows of one upsert; bounds how many different statements there are to prepare."""

# ?1: public ids, ?2: client ids, ?3: [client id, bucket] pairs, each a JSON array.
# The columns are those of KeyRow, ClientRow with its limit, and Budget.
LOAD = f"""
SELECT
  (SELECT json_group_object(k.public_id, json_array(
            k.active, CASE WHEN k.version < 0 THEN 1 ELSE k.version END,
            k.session, k.use, k.clock, k.nonce, k.accepted_us))
     FROM json_each(?1) AS asked CROSS JOIN otp_key AS k ON k.public_id = asked.value
    WHERE k.version > 0 OR -k.version IS NOT
          (SELECT CAST(value AS INTEGER) FROM meta WHERE name = '{UNFINISHED_IMPORT}')),
  (SELECT json_group_object(c.id, json_array(
            c.active, c.version, c.step_us, c.slack_us, c.day_step_us, c.day_slack_us,
            c.shadow, c.limit_expires_us))
     FROM json_each(?2) AS asked CROSS JOIN client AS c ON c.id = asked.value),
  (SELECT json_group_array(json_array(b.client_id, b.bucket, b.burst_tat_us, b.day_tat_us))
     FROM json_each(?3) AS asked CROSS JOIN budget AS b
       ON b.client_id = asked.value ->> 0 AND b.bucket = asked.value ->> 1)
"""  # noqa: S608 - the only part put in is a constant of ours


@lru_cache(maxsize=ROWS_AT_ONCE)
def store_budgets(rows: int) -> str:
    """Return the upsert of `rows` budgets: client id, bucket and both TATs of each."""
    values = ",".join(["(?,?,?,?)"] * rows)
    return f"""
INSERT INTO budget (client_id, bucket, burst_tat_us, day_tat_us) VALUES {values}
ON CONFLICT (client_id, bucket) DO UPDATE
SET burst_tat_us = excluded.burst_tat_us, day_tat_us = excluded.day_tat_us
"""  # noqa: S608 - only placeholders are put in


@lru_cache(maxsize=ROWS_AT_ONCE)
def advance_keys(rows: int) -> str:
    """Return the guarded advance of `rows` keys, each a KeyUpdate.

    An upsert is by far the cheapest way to change many rows by key. It must never insert:
    the same transaction has just read every row it names. Should it insert nevertheless,
    the new row is a disabled key of version 0, which nothing accepts.
    """
    values = ",".join(["(?,?,?,?,?,?,?,0,0)"] * rows)
    return f"""
INSERT INTO otp_key (public_id, session, use, clock, nonce, accepted_us, accepted_client,
                     active, version) VALUES {values}
ON CONFLICT (public_id) DO UPDATE
SET session = excluded.session, use = excluded.use, clock = excluded.clock,
    nonce = excluded.nonce, accepted_us = excluded.accepted_us,
    accepted_client = excluded.accepted_client
WHERE (otp_key.session, otp_key.use) < (excluded.session, excluded.use)
"""  # noqa: S608 - only placeholders are put in
