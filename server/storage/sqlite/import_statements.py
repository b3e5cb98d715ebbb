"""The SQL of imports into the embedded store, each with the rows to execute it for."""

from collections.abc import Iterable, Sequence

from server.moving.counters_file import Counters
from server.moving.ports import IncomingClient, IncomingKey
from server.storage.schema import CLIENT_SEQUENCE, UNFINISHED_IMPORT
from server.storage.sqlite.hot import Change

# A row must not grow when its key is first used: pages filled to the brim by an import would
# all split, and each split costs the commit a walk through the whole page cache. So a new row
# has the room of the longest nonce and of the numbers to come. No request has this nonce.
_ROOM = "-" * 52

_ADD_RECORDS = """
INSERT INTO otp_key_record (public_id, generation, record, serial, created_us)
VALUES (?, ?, ?, ?, ?)
"""

_ADD_COUNTERS = """
INSERT INTO otp_key (public_id, version, active, session, use, clock, nonce, accepted_us,
                     accepted_client)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0)
"""

_PAGES = 512
"""Pages that a few hundred new rows count for, many times what they fill.

So the log is checkpointed every few megabytes of an import: the commits of verifications wait
for what a checkpoint syncs, and many little waits are better than one long one.
"""

INCOMING = "incoming"
"""Under which name the file is attached that an import gathered."""

_COPY_RECORDS = f"""
INSERT INTO main.otp_key_record (public_id, generation, record, serial, created_us)
SELECT id, generation, record, serial, CASE created_us WHEN 0 THEN ? ELSE created_us END
  FROM {INCOMING}.key WHERE known = 0 AND id BETWEEN ? AND ? ORDER BY id
"""  # noqa: S608 - the only part put in is a constant of ours


def _ahead(column: str, otherwise: str) -> str:
    """Return SQL for the column of the counters that are ahead: kept ones, or the file's."""
    return (
        f"CASE WHEN (w.session, w.use) > (coalesce(c.session, -1), coalesce(c.use, -1))"
        f" THEN w.{column} ELSE coalesce(c.{column}, {otherwise}) END"
    )


_COPY_COUNTERS = f"""
INSERT INTO main.otp_key (public_id, version, active, session, use, clock, nonce, accepted_us,
                          accepted_client)
SELECT k.id, ?, coalesce(c.active, 1) AND coalesce(w.active, 1), {_ahead("session", "-1")},
       {_ahead("use", "-1")}, {_ahead("clock", "0")},
       coalesce(nullif({_ahead("nonce", "''")}, ''), '{_ROOM}'), {_ahead("accepted_us", "0")}, 0
  FROM {INCOMING}.key AS k
  LEFT JOIN {INCOMING}.counter AS c ON c.id = k.id
  LEFT JOIN main.kept_counter AS w ON w.public_id = k.id
 WHERE k.known = 0 AND k.id BETWEEN ? AND ? ORDER BY k.id
"""  # noqa: S608 - the only parts put in are constants of ours

_KEEP = """
INSERT INTO kept_counter (public_id, active, session, use, clock, nonce, accepted_us,
                          import_number)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""

_RAISE_KEPT = """
UPDATE kept_counter SET session = ?1, use = ?2, clock = ?3, nonce = ?4, accepted_us = ?5
 WHERE public_id = ?6 AND (session, use) < (?1, ?2)
"""

_SWITCH_OFF_KEPT = "UPDATE kept_counter SET active = 0 WHERE public_id = ?"

_RAISE = """
UPDATE otp_key SET session = ?1, use = ?2, clock = ?3, nonce = ?4, accepted_us = ?5,
                   accepted_client = 0
 WHERE public_id = ?6 AND (session, use) < (?1, ?2)
"""

_SWITCH_OFF = """
UPDATE otp_key SET active = 0, version = CASE WHEN version < 0 THEN 2 ELSE version + 1 END
 WHERE public_id = ? AND active
"""

_ADD_CLIENT = """
INSERT INTO client (id, name, active, version, signed_only, phishing_test, created_us, email,
                    notes)
VALUES (?, ?, ?, 1, 0, 0, ?, ?, ?)
"""

_ADD_API_KEY = "INSERT INTO api_key (client_id, key_id, record, created_us) VALUES (?, 1, ?, ?)"

_CHANGE_CLIENT = """
UPDATE client SET active = active AND ?, email = coalesce(email, ?), notes = coalesce(notes, ?),
                  version = version + 1
 WHERE id = ?
"""

_NEVER_AGAIN = f"UPDATE sequence SET last = max(last, ?) WHERE name = '{CLIENT_SEQUENCE}'"  # noqa: S608 - a constant of ours

_FINISH = f"DELETE FROM meta WHERE name = '{UNFINISHED_IMPORT}'"  # noqa: S608 - a constant of ours

_FORGET_RECORDS = """
DELETE FROM otp_key_record WHERE public_id IN
 (SELECT public_id FROM otp_key WHERE version = ? AND public_id BETWEEN ? AND ?)
"""

_FORGET_KEYS = "DELETE FROM otp_key WHERE version = ? AND public_id BETWEEN ? AND ?"

_FORGET_KEPT = "DELETE FROM kept_counter WHERE import_number = ? AND public_id BETWEEN ? AND ?"


def add_keys(keys: Sequence[IncomingKey], *, version: int, now_us: int) -> list[Change]:
    """Make keys with the counters that they come with."""
    records = [(*each.key, each.created_us or now_us) for each in keys]
    counters = [(each.key.public_id, version, *_state(each.counters)) for each in keys]
    return [Change(_ADD_RECORDS, records), Change(_ADD_COUNTERS, counters)]


def copy_keys(first: str, last: str, *, number: int, now_us: int) -> list[Change]:
    """Make the new keys of import `number` from one id to another, with their counters."""
    return [
        Change(_COPY_RECORDS, [(now_us, first, last)], pages=_PAGES),
        Change(_COPY_COUNTERS, [(-number, first, last)], pages=_PAGES),
    ]


def _state(counters: Counters | None) -> tuple[object, ...]:
    if counters is None:
        return True, -1, -1, 0, _ROOM, 0
    return (*counters[1:5], counters.nonce or _ROOM, counters.accepted_us)


def keep_counters(counters: Sequence[Counters], number: int) -> Change:
    """Keep counters of keys that nobody has, as part of an import."""
    return Change(_KEEP, [(*each[:7], number) for each in counters])


def raise_counters(counters: Sequence[Counters]) -> Change:
    """Raise counters of keys that are there."""
    return Change(_RAISE, _ahead_of(counters))


def raise_kept(counters: Sequence[Counters]) -> Change:
    """Raise counters that are kept already for keys which nobody has."""
    return Change(_RAISE_KEPT, _ahead_of(counters))


def _ahead_of(counters: Sequence[Counters]) -> list[tuple[object, ...]]:
    return [
        (each.session, each.use, each.clock, each.nonce, each.accepted_us, each.public_id)
        for each in counters
    ]


def switch_off(public_ids: Sequence[str]) -> Change:
    """Switch off keys that are there."""
    return Change(_SWITCH_OFF, [(public_id,) for public_id in public_ids])


def switch_off_kept(public_ids: Sequence[str]) -> Change:
    """Let keys that nobody has be switched off the day they come."""
    return Change(_SWITCH_OFF_KEPT, [(public_id,) for public_id in public_ids])


def clients(incoming: Sequence[IncomingClient], now_us: int) -> list[Change]:
    """Make and change clients. Their ids are never given out again."""
    new = [each for each in incoming if not each.is_known]
    return [
        Change(
            _ADD_CLIENT,
            [
                (
                    each.client_id,
                    each.name,
                    each.active,
                    each.created_us or now_us,
                    each.email or None,
                    each.notes or None,
                )
                for each in new
            ],
        ),
        Change(
            _ADD_API_KEY,
            [(each.client_id, each.api_key, each.created_us or now_us) for each in new],
        ),
        Change(
            _CHANGE_CLIENT,
            [
                (each.active, each.email or None, each.notes or None, each.client_id)
                for each in incoming
                if each.is_known
            ],
        ),
        Change(_NEVER_AGAIN, [(each.client_id,) for each in new[-1:]]),
    ]


def finish() -> Change:
    """Make everything of the import appear."""
    return Change(_FINISH, [()])


def forget_keys(number: int, first: str, last: str) -> list[Change]:
    """Remove keys of an import that did not come to its end, from one id to another."""
    rows = [(-number, first, last)]
    return [Change(_FORGET_RECORDS, rows), Change(_FORGET_KEYS, rows)]


def forget_kept(number: int, first: str, last: str) -> list[Change]:
    """Remove kept counters of such an import."""
    return [Change(_FORGET_KEPT, [(number, first, last)])]


def rows_of(changes: Iterable[Change]) -> int:
    """Return how many rows changes have."""
    return sum(len(change.rows) for change in changes)
