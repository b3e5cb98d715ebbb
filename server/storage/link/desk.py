"""The control process's side of the link: answers workers' calls from the store it owns."""

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


class StoreDesk:
    """Answers all CALLS. hot: merges the batches of all workers; usage: keeps their counts.

    maintenance: tells what was announced; status: tells how things are; acknowledgements: what is
    behind links, None: nothing is.
    """

    def __init__(
        self,
        hot: HotStore,
        directory: Directory,
        usage: UsageSink,
        maintenance: MaintenanceSource,
        status: SnapshotSource,
        *,
        acknowledgements: AcknowledgementSource | None = None,
    ) -> None:
        self._hot = hot
        self._usage = usage
        self._maintenance = maintenance
        self._status = status
        self._acknowledgements = acknowledgements
        self._directory = directory

    async def answer(self, frame: Frame) -> Frame:
        """Return the answer to a call, failures included; never raises."""
        try:
            body = await self._decide(frame.kind, frame.body)
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

    async def _decide(self, kind: Kind, body: bytes) -> bytes:
        if kind is Kind.BATCH:
            outcomes = await self._hot.spend_and_advance(messages.decode_batch(body))
            return messages.encode_outcomes(outcomes)
        if kind is Kind.CLIENT:
            client = await self._directory.client(messages.decode_client_id(body))
            return messages.encode_client(client)
        if kind is Kind.USAGE:
            now_us = await self._usage.add_usage(messages.decode_parcel(body))
            return messages.encode_number(now_us)
        if kind is Kind.MAINTENANCE:
            since_s = messages.decode_number(body)
            found = await self._maintenance.public_maintenance(since_s)
            return messages.encode_maintenance(found)
        if kind is Kind.STATUS:
            return write_snapshot(await self._status.status_snapshot())
        return await self._find(kind, body)

    async def _find(self, kind: Kind, body: bytes) -> bytes:
        if kind is Kind.ACKNOWLEDGEMENT:
            token, press = messages.decode_link(body)
            if self._acknowledgements is None:
                raise StoreUnavailableError("nobody is called from here")
            behind = await self._acknowledgements.acknowledgement(token, press=press)
            return messages.encode_found(behind)
        key = await self._directory.key(messages.decode_public_id(body))
        return messages.encode_key(key)
