"""A device that can be asked from an event loop: at once, or by way of a thread that owns it.

An emulator in the same process does not wait, so it is asked on the spot. Whatever waits has a
thread of its own, which alone touches the session. Work goes to it through a queue with a limit,
and comes back in batches: waking the loop costs more than a command's worth of anything else.
"""

import asyncio
import contextlib
import queue
import threading
import time
from typing import NamedTuple, Protocol

from yubihsm.defs import COMMAND

from hsm.device.breaker import Breaker, Event, State
from hsm.device.errors import DeviceError, DeviceRefusedError, DeviceUnavailableError, Outage
from hsm.device.session import DeviceSession
from validation.otp import InvalidOtpError

KEEP_ALIVE_S = 15.0
"""A device ends sessions that are silent for 30 s."""
LONGEST_WAIT_S = 2.0
"""Who waited so long in the queue is told so, and not asked for any more."""
_BATCH_S = 0.004
"""For so long answers are gathered while there is more to do: less than hardware takes for one.

The price: should the device then hang, the few that were gathered wait with the one that hangs.
"""
_JOIN_S = 5.0


class Asked(Protocol):
    """A device in a pool."""

    where: str
    load: int
    last: str

    @property
    def state(self) -> State:
        """What may be asked of it."""
        ...

    async def start(self) -> None:
        """Try to have a session; that it fails is no error here."""
        ...

    async def ask(self, command: COMMAND, payload: bytes, *, again: bool) -> bytes:
        """Do a command. Raises DeviceError and InvalidOtpError."""
        ...

    async def close(self) -> None:
        """End the session."""
        ...


class AskedAtOnce:
    """A device that answers without waiting. For one thread: the loop's.

    It needs no breaker: that it fails costs nothing, and whether it works again is seen by asking.
    """

    def __init__(self, session: DeviceSession) -> None:
        self.where = session.where
        self.load = 0
        self.last = ""
        self._session = session
        self._closed = False

    @property
    def state(self) -> State:
        """What may be asked of it: everything, always."""
        return State.CLOSED

    async def start(self) -> None:
        """Do nothing: the first command begins a session."""

    async def ask(self, command: COMMAND, payload: bytes, *, again: bool) -> bytes:
        """Do a command. Raises DeviceError and InvalidOtpError."""
        if self._closed:
            raise DeviceUnavailableError(self.where, Outage.CLOSED)
        try:
            return self._session.ask(command, payload, again=again)
        except DeviceError as error:
            self.last = str(error)
            raise

    async def close(self) -> None:
        """End the session."""
        self._closed = True
        self._session.close()


class _Job(NamedTuple):
    """A command on its way to the thread. since: when it began to wait, monotonic seconds."""

    command: COMMAND
    payload: bytes
    again: bool
    since: float
    future: "asyncio.Future[bytes]"

    def __repr__(self) -> str:
        return f"_Job({self.command.name}, <hidden>)"


class _Done(NamedTuple):
    """What became of a job: the answer, or why there is none."""

    future: "asyncio.Future[bytes]"
    answer: bytes
    error: Exception | None

    def __repr__(self) -> str:
        return "_Done(<hidden>)"


class AskedByThread:
    """A device whose session a thread of its own has. To be used on the loop that started it.

    waiting: how many commands may wait or be under way; stays: whether the session is held while
    nobody asks, or ended, to be begun again when it is needed.
    """

    def __init__(self, session: DeviceSession, *, waiting: int, stays: bool = True) -> None:
        self.where = session.where
        self.load = 0
        self.last = ""
        self._session = session
        self._waiting = waiting
        self._stays = stays
        self._breaker = Breaker()
        self._look_at = 0.0
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._done: list[_Done] = []
        self._done_since = 0.0
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    @property
    def state(self) -> State:
        """What may be asked of it."""
        return self._breaker.state

    async def start(self) -> None:
        """Start the thread, and wait until it has a session or knows that it has none yet."""
        loop = self._loop = asyncio.get_running_loop()
        looked = asyncio.Event()

        def work() -> None:
            if self._stays:
                self._look()
            with contextlib.suppress(RuntimeError):  # the loop may be gone already
                loop.call_soon_threadsafe(looked.set)
            self._work()

        self._thread = threading.Thread(target=work, name=f"hsm {self.where}", daemon=True)
        self._thread.start()
        await looked.wait()

    async def ask(self, command: COMMAND, payload: bytes, *, again: bool) -> bytes:
        """Do a command. Raises DeviceError and InvalidOtpError."""
        if self._closed or self._loop is None:
            raise DeviceUnavailableError(self.where, Outage.CLOSED)
        if self.load >= self._waiting:
            raise DeviceUnavailableError(self.where, Outage.CROWDED)
        future: asyncio.Future[bytes] = self._loop.create_future()
        self.load += 1
        self._jobs.put(_Job(command, payload, again, time.monotonic(), future))
        return await future

    async def close(self) -> None:
        """End the session; what waits is told that it is not done."""
        self._closed = True
        thread, self._thread = self._thread, None
        if thread is not None:
            self._jobs.put(None)
            await asyncio.to_thread(thread.join, _JOIN_S)

    # What follows runs in the thread.

    def _work(self) -> None:
        while True:
            try:
                job = self._jobs.get(timeout=self._patience_s())
            except queue.Empty:
                self._look()
                continue
            if job is None:
                break
            self._take(job)
        self._session.close()
        self._refuse_the_rest()

    def _patience_s(self) -> float:
        if self._breaker.state is State.OPEN:
            return max(0.0, self._look_at - time.monotonic())
        return KEEP_ALIVE_S

    def _look(self) -> None:
        """Hold the session, let it go, or see whether there can be one again."""
        session = self._session
        try:
            if self._breaker.state is State.OPEN or not session.stands:
                if self._stays or self._breaker.state is State.OPEN:
                    session.open()
                    self._breaker.note(Event.ANSWERED)
            elif self._stays:
                session.keep_alive()
            else:
                session.close()
        except Exception as error:  # noqa: BLE001 - the thread outlives whatever it was
            self._failed(error)

    def _take(self, job: _Job) -> None:
        """Do one job, and hand over what is done when nothing waits or enough was gathered."""
        answer, error = b"", None
        now = time.monotonic()
        try:
            # Nobody waits for a future that is cancelled; reading that is safe from any thread.
            if not job.future.cancelled():
                answer = self._do(job, now)
        except Exception as caught:  # noqa: BLE001 - whatever it is, it is the asker's to know
            error = caught
        if not self._done:
            self._done_since = now
        self._done.append(_Done(job.future, answer, error))
        if self._jobs.empty() or time.monotonic() - self._done_since > _BATCH_S:
            self._hand_over()

    def _do(self, job: _Job, now: float) -> bytes:
        if self._breaker.state is State.OPEN:
            raise DeviceUnavailableError(self.where, Outage.RESTING, before=self.last)
        if now - job.since > LONGEST_WAIT_S:
            raise DeviceUnavailableError(self.where, Outage.CROWDED)
        try:
            answer = self._session.ask(job.command, job.payload, again=job.again)
        except InvalidOtpError:
            self._breaker.note(Event.SUCCEEDED)  # it did look
            raise
        except DeviceRefusedError as refused:
            if refused.of_device:
                self._failed(refused)
            else:
                self._breaker.note(Event.SUCCEEDED)
            raise
        except Exception as error:
            self._failed(error)
            raise
        if self._breaker.state is not State.CLOSED:
            self._breaker.note(Event.SUCCEEDED)
        return answer

    def _failed(self, error: Exception) -> None:
        # An error that nobody foresaw may show anything: only what it is goes on.
        self.last = str(error) if isinstance(error, DeviceError) else type(error).__name__
        self._breaker.note(Event.FAILED)
        self._look_at = time.monotonic() + self._breaker.wait_s

    def _hand_over(self) -> None:
        done, self._done = self._done, []
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                loop.call_soon_threadsafe(self._deliver, done)

    def _refuse_the_rest(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                job = self._jobs.get_nowait()
                if job is not None:
                    closed = DeviceUnavailableError(self.where, Outage.CLOSED)
                    self._done.append(_Done(job.future, b"", closed))
        self._hand_over()

    # And this on the loop.

    def _deliver(self, done: list[_Done]) -> None:
        self.load -= len(done)
        for future, answer, error in done:
            if future.done():
                continue  # cancelled
            if error is None:
                future.set_result(answer)
            else:
                future.set_exception(error)
