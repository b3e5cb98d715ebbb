"""What the directory's queries return, on both engines, and the records made of it."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from server.otp.decision import Limit
from server.otp.ports import ClientRecord, KeyRecord, SealedApiKey
from validation.gcra import Policy, Rate


class ClientLine(NamedTuple):
    """One row of a client joined with its API keys, oldest first; NULLs where there are none."""

    client_id: int
    version: int
    active: bool
    signed_only: bool
    phishing_test: bool
    step_us: int | None
    slack_us: int | None
    day_step_us: int | None
    day_slack_us: int | None
    shadow: bool | None
    limit_expires_us: int | None
    key_id: int | None
    record: bytes | None


class KeyLine(NamedTuple):
    """One row of a sealed record joined with its counters; the latter NULL when missing."""

    public_id: str
    generation: int
    record: bytes
    version: int | None
    active: bool | None


def limit_of(  # noqa: PLR0917 - in the order of the columns
    step_us: int | None,
    slack_us: int | None,
    day_step_us: int | None,
    day_slack_us: int | None,
    shadow: bool | None,  # noqa: FBT001 - a column
    expires_us: int | None,
) -> Limit | None:
    """Return a client's own limit from its columns; all of them are NULL for the default."""
    if step_us is None or slack_us is None or day_step_us is None or day_slack_us is None:
        return None
    policy = Policy(Rate(step_us, slack_us), Rate(day_step_us, day_slack_us))
    return Limit(policy, bool(shadow), expires_us)


def client_records(
    lines: Iterable[ClientLine], *, default_policy: Policy, now_us: int
) -> dict[int, ClientRecord]:
    """Return clients by id as they are at `now_us`; the lines of each stand together."""
    return {
        client_id: _client_record(list(own), default_policy=default_policy, now_us=now_us)
        for client_id, own in groupby(lines, key=attrgetter("client_id"))
    }


def _client_record(
    lines: Sequence[ClientLine], *, default_policy: Policy, now_us: int
) -> ClientRecord:
    first = lines[0]
    limit = limit_of(*first[5:11])
    in_force = limit is not None and limit.in_force(now_us)
    return ClientRecord(
        client_id=first.client_id,
        version=first.version,
        active=bool(first.active),
        signed_only=bool(first.signed_only),
        phishing_test=bool(first.phishing_test),
        shadow=limit.shadow if limit is not None and in_force else False,
        policy=limit.policy if limit is not None and in_force else default_policy,
        api_keys=tuple(
            SealedApiKey(line.key_id, line.record)
            for line in lines
            if line.key_id is not None and line.record is not None
        ),
    )


def key_record(line: KeyLine) -> KeyRecord:
    """Return a key's record.

    Without counters it passes for an active key of version 1: the batch then finds them
    missing, refuses, and an alarm is raised. "Unknown key" would hide the loss (S6).
    """
    return KeyRecord(
        public_id=line.public_id,
        version=1 if line.version is None else line.version,
        active=True if line.active is None else bool(line.active),
        generation=line.generation,
        record=line.record,
    )
