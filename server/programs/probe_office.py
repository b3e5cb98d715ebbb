"""The server's admin door, as the prober knocks at it: `server.probing.ports.Office`."""

import asyncio
import contextlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from server.incidents.instants import parse_instant
from server.incidents.intervals import Span
from server.incidents.record import Record
from server.incidents.record_json import write_record
from server.incidents.states import State
from server.probing.finding import Finding
from server.probing.ports import OfficeError, Receipt
from server.programs.admin_client import AdminClient
from server.programs.exits import CommandError
from server.programs.probe_config import ANSWER_WITHIN_S, ServerDoor
from server.programs.remote_client import connect
from server.programs.remote_options import Remote

_MOST_LINES = 4
"""Calls that may hang at once; more than that is no news."""


def admin_client(door: ServerDoor, beside: Path) -> AdminClient:
    """Return a client of the door. beside: where names of files begin; CommandError."""
    if door.url is not None and door.token_file is not None:
        ca = None if door.ca is None else str(beside / door.ca)
        return connect(Remote(door.url, str(beside / door.token_file), ca))
    return AdminClient(beside / (door.socket or ""))


class AdminOffice:
    """Calls on the admin API; each in a thread, for the client waits.

    within_s: for all of a call, the host's name and a dripping answer included: whoever waited
    longer would open no incident and call nobody.
    """

    def __init__(self, client: AdminClient, *, within_s: float = ANSWER_WITHIN_S) -> None:
        self._client = client
        self._within_s = within_s
        self._lines = threading.BoundedSemaphore(_MOST_LINES)

    async def hand_in(self, prober: str, findings: Sequence[Finding]) -> Receipt:
        """Bring findings. OfficeError."""
        value = {"prober": prober, "findings": [one.to_json() for one in findings]}
        said = await self._post("/probe-results", value)
        try:
            windows = tuple(
                Span(parse_instant(one["start"]), parse_instant(one["end"]))
                for one in said["maintenance"]
            )
            return Receipt(int(said["number"]), windows)
        except (KeyError, TypeError, ValueError) as error:
            raise OfficeError("the server's answer is not one of its version") from error

    async def take_over(self, reference: str, records: Sequence[Record]) -> tuple[int, State]:
        """Bring a whole history; return its number and where it stands. OfficeError."""
        value = {"reference": reference, "records": [write_record(one) for one in records]}
        said = await self._post("/incidents/taken-over", value)
        try:
            return int(said["id"]), State(said["state"])
        except (KeyError, TypeError, ValueError) as error:
            raise OfficeError("the server's answer is not one of its version") from error

    async def _post(self, path: str, value: object) -> Any:  # noqa: ANN401 - JSON
        if not self._lines.acquire(blocking=False):
            raise OfficeError("the server has not answered calls of before")
        try:
            async with asyncio.timeout(self._within_s):
                return await self._aside(path, value)
        except TimeoutError:
            raise OfficeError(f"no answer within {self._within_s:g} s") from None
        except CommandError as error:
            raise OfficeError(str(error)) from error

    def _aside(self, path: str, value: object) -> "asyncio.Future[Any]":
        """Call in a thread that nobody has to wait for: not the rounds' own, nor at the end."""
        loop = asyncio.get_running_loop()
        told: asyncio.Future[Any] = loop.create_future()

        def tell(answer: object, fault: Exception | None) -> None:
            if told.done():  # nobody waits any more
                return
            if fault is None:
                told.set_result(answer)
            else:
                told.set_exception(fault)

        def call() -> None:
            answer, fault = None, None
            try:
                answer = self._client.post_briefly(path, value, self._within_s)
            except Exception as error:  # noqa: BLE001 - raised where it is waited for
                fault = error
            finally:
                self._lines.release()
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(tell, answer, fault)

        threading.Thread(target=call, name="office", daemon=True).start()
        return told
