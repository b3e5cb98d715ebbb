"""Bodies of the link's calls and answers: batches, outcomes and records as JSON, both ways.

JSON because it is fast here (one C call for a whole batch) and can hold nothing but values.
"""

import json
from collections.abc import Sequence
from typing import Any

from server.incidents.intervals import Span
from server.maintenance.plan import Component, Maintenance, Plan, Record, Step
from server.notices.acknowledging import Found, Verdict
from server.otp.ports import (
    MAX_BATCH,
    Advance,
    ClientRecord,
    Entry,
    KeyRecord,
    Kind,
    Outcome,
    SealedApiKey,
)
from server.usage.ports import MAX_PARCEL_ROWS, MinuteRow, Parcel
from validation.gcra import Policy, Rate


class MessageError(Exception):
    """A body is not what its kind promises: the two sides are not of one version."""


_KINDS = tuple(Kind)


def encode_batch(batch: Sequence[Entry]) -> bytes:
    """Write a batch; `decode_batch` is its inverse."""
    return json.dumps(batch, separators=(",", ":")).encode()


def decode_batch(body: bytes) -> list[Entry]:
    """Read a batch; MessageError when it is none."""
    rows = _array(body)
    if len(rows) > MAX_BATCH:
        raise MessageError(f"a batch of {len(rows)} entries is too large")
    try:
        return [
            Entry(
                client, version, bucket, free, public_id, key_version,
                None if advance is None else Advance(*advance), nonce,
            )
            for client, version, bucket, free, public_id, key_version, advance, nonce in rows
        ]  # fmt: skip
    except (TypeError, ValueError) as error:
        raise MessageError("an entry has the wrong form") from error


def encode_outcomes(outcomes: Sequence[Outcome]) -> bytes:
    """Write outcomes; `decode_outcomes` is its inverse."""
    return json.dumps(outcomes, separators=(",", ":")).encode()


def decode_outcomes(body: bytes) -> list[Outcome]:
    """Read outcomes; MessageError when they are none."""
    try:
        return [
            Outcome(_KINDS[kind], remaining, retry_us, shadowed)
            for kind, remaining, retry_us, shadowed in _array(body)
        ]
    except (TypeError, ValueError, IndexError) as error:
        raise MessageError("an outcome has the wrong form") from error


def encode_client(record: ClientRecord | None) -> bytes:
    """Write a client's record, or that there is none; `decode_client` is its inverse."""
    if record is None:
        return b"null"
    keys = [(key.key_id, key.record.hex()) for key in record.api_keys]
    return json.dumps(record._replace(api_keys=keys)).encode()  # type: ignore[arg-type] # as JSON


def decode_client(body: bytes) -> ClientRecord | None:
    """Read a client's record; MessageError when it is none."""
    value = _value(body)
    if value is None:
        return None
    try:
        client_id, version, active, signed_only, phishing_test, shadow, policy, keys = value
        burst, day = policy
        return ClientRecord(
            client_id,
            version,
            active,
            signed_only,
            phishing_test,
            shadow,
            Policy(Rate(*burst), Rate(*day)),
            tuple(SealedApiKey(key_id, bytes.fromhex(record)) for key_id, record in keys),
        )
    except (TypeError, ValueError) as error:
        raise MessageError("a client's record has the wrong form") from error


def encode_key(record: KeyRecord | None) -> bytes:
    """Write a key's record, or that there is none; `decode_key` is its inverse."""
    if record is None:
        return b"null"
    return json.dumps((*record[:-1], record.record.hex())).encode()


def decode_key(body: bytes) -> KeyRecord | None:
    """Read a key's record; MessageError when it is none."""
    value = _value(body)
    if value is None:
        return None
    try:
        public_id, version, active, generation, record = value
        return KeyRecord(public_id, version, active, generation, bytes.fromhex(record))
    except (TypeError, ValueError) as error:
        raise MessageError("a key's record has the wrong form") from error


def encode_client_id(client_id: int) -> bytes:
    """Write which client is asked for."""
    return b"%d" % client_id


def decode_client_id(body: bytes) -> int:
    """Read which client is asked for; MessageError when it is no number."""
    value = _value(body)
    if not isinstance(value, int):
        raise MessageError("a client id is a number")
    return value


def encode_public_id(public_id: str) -> bytes:
    """Write which key is asked for."""
    return public_id.encode()


def decode_public_id(body: bytes) -> str:
    """Read which key is asked for; MessageError when it is no text."""
    try:
        return body.decode()
    except UnicodeDecodeError as error:
        raise MessageError("a public id is text") from error


def encode_parcel(parcel: Parcel) -> bytes:
    """Write a parcel of counts; `decode_parcel` is its inverse."""
    return json.dumps(parcel, separators=(",", ":")).encode()


def decode_parcel(body: bytes) -> Parcel:
    """Read a parcel of counts; MessageError when it is none."""
    try:
        sender, number, rows = _array(body)
        parcel = Parcel(
            sender,
            number,
            tuple(
                MinuteRow(minute, client_id, tuple(map(int, counts)))
                for minute, client_id, counts in rows
            ),
        )
    except (TypeError, ValueError) as error:
        raise MessageError("a parcel of counts has the wrong form") from error
    if len(parcel.rows) > MAX_PARCEL_ROWS:
        raise MessageError(f"a parcel of {len(parcel.rows)} rows is too large")
    return parcel


def encode_maintenance(maintenances: Sequence[Maintenance]) -> bytes:
    """Write maintenances with their histories; `decode_maintenance` is its inverse."""
    return json.dumps(maintenances, separators=(",", ":")).encode()


def decode_maintenance(body: bytes) -> list[Maintenance]:
    """Read maintenances; MessageError when they are none."""
    try:
        return [
            Maintenance(number, tuple(_record(*record) for record in history))
            for number, history in _array(body)
        ]
    except (TypeError, ValueError) as error:
        raise MessageError("a maintenance has the wrong form") from error


def _record(step: str, at_us: int, plan: Sequence[Any]) -> Record:
    component, title, span = plan
    return Record(Step(step), at_us, Plan(Component(component), title, Span(*span)))


def encode_link(token: str, *, press: bool) -> bytes:
    """Write which link to acknowledge by is meant; `decode_link` is its inverse."""
    return json.dumps([token, press]).encode()


def decode_link(body: bytes) -> tuple[str, bool]:
    """Read which link is meant, and whether it is pressed; MessageError."""
    match _array(body):
        case [str(token), bool(press)]:
            return token, press
    raise MessageError("a link has the wrong form")


def encode_found(found: Found) -> bytes:
    """Write what is behind a link; `decode_found` is its inverse."""
    return json.dumps(found, separators=(",", ":")).encode()


def decode_found(body: bytes) -> Found:
    """Read what is behind a link; MessageError."""
    try:
        verdict, words, incident_id, title, component, severity, person, by = _array(body)
        return Found(
            Verdict(verdict),
            str(words),
            int(incident_id),
            str(title),
            str(component),
            int(severity),
            str(person),
            str(by),
        )
    except (TypeError, ValueError) as error:
        raise MessageError("what is behind a link has the wrong form") from error


def encode_number(number: int) -> bytes:
    """Write a number; `decode_number` is its inverse."""
    return b"%d" % number


def decode_number(body: bytes) -> int:
    """Read a number; MessageError when it is none."""
    value = _value(body)
    if not isinstance(value, int):
        raise MessageError("not a whole number")
    return value


def _value(body: bytes) -> Any:  # noqa: ANN401 - JSON can be anything until it is looked at
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MessageError("not JSON") from error


def _array(body: bytes) -> list[Any]:
    value = _value(body)
    if not isinstance(value, list):
        raise MessageError("not a list")
    return value
