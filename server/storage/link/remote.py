"""The store as a worker has it when another process owns the database: calls over the link."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from typing import TypeVar

from server.maintenance.plan import Maintenance
from server.notices.acknowledging import Found
from server.otp.decision import check_batch
from server.otp.ports import (
    ClientRecord,
    Entry,
    KeyRecord,
    Outcome,
    StoreUnavailableError,
    UnknownOutcomeError,
)
from server.status.snapshot import Snapshot
from server.status.wire import SnapshotError, read_snapshot
from server.storage.gathered_reads import GatheredReads
from server.storage.link import messages
from server.storage.link.connection import Link, LinkLostError
from server.storage.link.frames import Frame, Kind
from server.usage.ports import Parcel

Ident = TypeVar("Ident", bound=Hashable)
Record = TypeVar("Record")


class RemoteStore:
    """What a worker needs of a store, through a link: see the methods.

    A link that is lost while a batch is out leaves its outcome unknown: the control process
    may have committed before it died, or may be committing still.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        read_clients, read_keys = self._each(self._client), self._each(self._key)
        self._client_reads: GatheredReads[int, ClientRecord] = GatheredReads(read_clients)
        self._key_reads: GatheredReads[str, KeyRecord] = GatheredReads(read_keys)

    async def spend_and_advance(self, batch: Sequence[Entry]) -> Sequence[Outcome]:
        """Have a batch decided by the control process; raises what the store there raised."""
        # Here, where the mistake is: over there it would spoil what other workers have sent.
        check_batch(batch)
        try:
            frame = await self._link.call(Kind.BATCH, messages.encode_batch(batch))
        except LinkLostError as error:
            if error.sent:
                raise UnknownOutcomeError("the control process ended during a batch") from error
            raise StoreUnavailableError("the control process is gone") from error
        _raise_failure(frame)
        try:
            outcomes = messages.decode_outcomes(frame.body)
        except messages.MessageError as error:
            raise UnknownOutcomeError("the control process's answer has no meaning") from error
        if len(outcomes) != len(batch):
            raise UnknownOutcomeError("the control process answered another batch")
        return outcomes

    async def add_usage(self, parcel: Parcel) -> int:
        """Have counts stored by the control process; return the store's time.

        Whatever it raises, the parcel may be sent again.
        """
        body = await self._call(Kind.USAGE, messages.encode_parcel(parcel))
        try:
            return messages.decode_number(body)
        except messages.MessageError as error:
            raise UnknownOutcomeError("the control process's answer has no meaning") from error

    async def public_maintenance(self, since_s: int) -> Sequence[Maintenance]:
        """Have the control process tell what was announced."""
        body = await self._call(Kind.MAINTENANCE, messages.encode_number(since_s))
        try:
            return messages.decode_maintenance(body)
        except messages.MessageError as error:
            raise StoreUnavailableError("the control process's answer has no meaning") from error

    async def status_snapshot(self) -> Snapshot:
        """Have the control process tell how things are."""
        body = await self._call(Kind.STATUS, b"")
        try:
            return read_snapshot(body)
        except SnapshotError as error:
            raise StoreUnavailableError("the control process's answer has no meaning") from error

    async def acknowledgement(self, token: str, *, press: bool) -> Found:
        """Have the control process find out what is behind a link, and perhaps acknowledge.

        StoreError. Whatever it raises, the link may be pressed again.
        """
        body = await self._call(Kind.ACKNOWLEDGEMENT, messages.encode_link(token, press=press))
        try:
            return messages.decode_found(body)
        except messages.MessageError as error:
            raise StoreUnavailableError("the control process's answer has no meaning") from error

    def client(self, client_id: int) -> Awaitable[ClientRecord | None]:
        """Return the newest committed state of a client, or None."""
        return self._client_reads.read(client_id)

    def key(self, public_id: str) -> Awaitable[KeyRecord | None]:
        """Return the newest committed state of a key, or None."""
        return self._key_reads.read(public_id)

    @staticmethod
    def _each(
        read: Callable[[Ident], Awaitable[Record | None]],
    ) -> Callable[[Sequence[Ident]], Awaitable[Mapping[Ident, Record]]]:
        """Make a read of many out of calls that are under way together: one record each."""

        async def read_many(idents: Sequence[Ident]) -> Mapping[Ident, Record]:
            records = await asyncio.gather(*map(read, idents))
            return {
                ident: record
                for ident, record in zip(idents, records, strict=True)
                if record is not None
            }

        return read_many

    async def _client(self, client_id: int) -> ClientRecord | None:
        body = await self._call(Kind.CLIENT, messages.encode_client_id(client_id))
        try:
            return messages.decode_client(body)
        except messages.MessageError as error:
            raise StoreUnavailableError("the control process's answer has no meaning") from error

    async def _key(self, public_id: str) -> KeyRecord | None:
        body = await self._call(Kind.KEY, messages.encode_public_id(public_id))
        try:
            return messages.decode_key(body)
        except messages.MessageError as error:
            raise StoreUnavailableError("the control process's answer has no meaning") from error

    async def _call(self, kind: Kind, body: bytes) -> bytes:
        try:
            frame = await self._link.call(kind, body)
        except LinkLostError as error:
            raise StoreUnavailableError("the control process is gone") from error
        if frame.kind is not Kind.ANSWER:
            raise StoreUnavailableError(_reason(frame))
        return frame.body


def _raise_failure(frame: Frame) -> None:
    if frame.kind is Kind.FAILED_UNAVAILABLE:
        raise StoreUnavailableError(_reason(frame))
    if frame.kind is not Kind.ANSWER:
        raise UnknownOutcomeError(_reason(frame))


def _reason(frame: Frame) -> str:
    return frame.body.decode(errors="replace")
