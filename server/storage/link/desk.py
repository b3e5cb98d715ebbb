"""The control process's side of the link: answers workers' calls from the store it owns."""

from typing import NamedTuple

import structlog

from server.maintenance.ports import MaintenanceSource
from server.notices.acknowledging import AcknowledgementSource
from server.otp.ports import Directory, HotStore, StoreUnavailableError, UnknownOutcomeError
from server.status.ports import SnapshotSource
from server.status.wire import write_snapshot
from server.storage.link import messages
from server.storage.link.frames import Frame, Kind
from server.usage.ports import UsageSink

_log = structlog.stdlib.get_logger(__name__)


class Rooms(NamedTuple):
    """What workers ask beside verification. acknowledgements: None where nobody is called."""

    usage: UsageSink
    maintenance: MaintenanceSource
    status: SnapshotSource
    acknowledgements: AcknowledgementSource | None = None


class StoreDesk:
    """Answers all CALLS. hot: merges the batches of all workers."""

    def __init__(self, hot: HotStore, directory: Directory, rooms: Rooms) -> None:
        self._hot = hot
        self._directory = directory
        self._rooms = rooms
        self._calls = {
            Kind.BATCH: self._batch,
            Kind.CLIENT: self._client,
            Kind.KEY: self._key,
            Kind.USAGE: self._usage,
            Kind.MAINTENANCE: self._maintenance,
            Kind.STATUS: self._status,
            Kind.ACKNOWLEDGEMENT: self._acknowledgement,
        }

    async def answer(self, frame: Frame) -> Frame:
        """Return the answer to a call, failures included; never raises."""
        try:
            body = await self._calls[frame.kind](frame.body)
        except StoreUnavailableError as error:
            return Frame(Kind.FAILED_UNAVAILABLE, frame.call, str(error).encode())
        except messages.MessageError as error:
            # Nothing was written: the body did not even decode.
            return Frame(Kind.FAILED_UNAVAILABLE, frame.call, str(error).encode())
        except UnknownOutcomeError as error:
            return Frame(Kind.FAILED_UNKNOWN, frame.call, str(error).encode())
        except Exception:  # noqa: BLE001 - see below
            # The process boundary: the worker must hear that it cannot know, whatever it was.
            _log.exception("worker_call_failed", call=frame.kind.name)
            return Frame(Kind.FAILED_UNKNOWN, frame.call, b"an unforeseen fault in the store")
        return Frame(Kind.ANSWER, frame.call, body)

    async def _batch(self, body: bytes) -> bytes:
        outcomes = await self._hot.spend_and_advance(messages.decode_batch(body))
        return messages.encode_outcomes(outcomes)

    async def _client(self, body: bytes) -> bytes:
        return messages.encode_client(await self._directory.client(messages.decode_client_id(body)))

    async def _key(self, body: bytes) -> bytes:
        return messages.encode_key(await self._directory.key(messages.decode_public_id(body)))

    async def _usage(self, body: bytes) -> bytes:
        now_us = await self._rooms.usage.add_usage(messages.decode_parcel(body))
        return messages.encode_number(now_us)

    async def _maintenance(self, body: bytes) -> bytes:
        since_s = messages.decode_number(body)
        found = await self._rooms.maintenance.public_maintenance(since_s)
        return messages.encode_maintenance(found)

    async def _status(self, _body: bytes) -> bytes:
        return write_snapshot(await self._rooms.status.status_snapshot())

    async def _acknowledgement(self, body: bytes) -> bytes:
        token, press = messages.decode_link(body)
        if self._rooms.acknowledgements is None:
            raise StoreUnavailableError("nobody is called from here")
        found = await self._rooms.acknowledgements.acknowledgement(token, press=press)
        return messages.encode_found(found)
