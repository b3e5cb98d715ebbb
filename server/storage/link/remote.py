"""The store as a worker has it when another process owns the database: calls over the link."""

from collections.abc import Sequence

from server.otp.decision import check_batch
from server.otp.ports import (
    ClientRecord,
    Entry,
    KeyRecord,
    Outcome,
    StoreUnavailableError,
    UnknownOutcomeError,
)
from server.storage.link import messages
from server.storage.link.connection import Link, LinkLostError
from server.storage.link.frames import Frame, Kind


class RemoteStore:
    """HotStore and Directory through a link.

    A link that is lost while a batch is out leaves its outcome unknown: the control process
    may have committed before it died, or may be committing still.
    """

    def __init__(self, link: Link) -> None:
        self._link = link

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

    async def client(self, client_id: int) -> ClientRecord | None:
        """Read a client from the control process's store."""
        body = await self._read(Kind.CLIENT, messages.encode_client_id(client_id))
        try:
            return messages.decode_client(body)
        except messages.MessageError as error:
            raise StoreUnavailableError("the control process's answer has no meaning") from error

    async def key(self, public_id: str) -> KeyRecord | None:
        """Read a key from the control process's store."""
        body = await self._read(Kind.KEY, messages.encode_public_id(public_id))
        try:
            return messages.decode_key(body)
        except messages.MessageError as error:
            raise StoreUnavailableError("the control process's answer has no meaning") from error

    async def _read(self, kind: Kind, body: bytes) -> bytes:
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
