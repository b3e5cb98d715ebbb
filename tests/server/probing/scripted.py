"""A service that answers as a test says, a real key and a real spool, for the prober's tests."""

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from hsm import privatefile
from server.probing.judge import Heard, Silence
from server.probing.rounds import Prober
from server.probing.virtual_key import KeptKey, Slot
from server.storage.spool import Spool
from tests.server.still_clock import StillClock
from validation.answer import Answer, compose
from validation.otp import OtpCipher, parse_otp
from validation.signature import ApiKey
from validation.status import Status

if TYPE_CHECKING:
    from collections.abc import Callable

API_KEY = ApiKey(b"k" * 20)
INTERVAL_S = 30.0
SLOT = Slot("vvcbdefghijk", bytes(range(6)), bytes(range(16)))


class ScriptedService:
    """Answers as the real one does, by the counters in the OTP; unless it is told how to fail."""

    def __init__(self, clock: StillClock) -> None:
        self._clock = clock
        self._last = (-1, -1)
        self.silence: Silence | None = None
        self.gullible = False
        self.between: Callable[[], None] = lambda: None
        """Called before each answer, as time passes then."""

    async def ask(self, otp: str, nonce: str) -> Heard | Silence:
        self.between()
        if self.silence is not None:
            return self.silence
        fields = OtpCipher(SLOT.aes_key).open(parse_otp(otp).ciphertext, SLOT.private_id)
        counters = (fields.session, fields.use)
        new = self.gullible or counters > self._last
        self._last = max(counters, self._last)
        status = Status.OK if new else Status.REPLAYED_OTP
        return Heard(200, compose(Answer(status, self._clock.now_us(), otp, nonce), API_KEY))


class Post(NamedTuple):
    """A prober at its post."""

    directory: Path
    clock: StillClock
    service: ScriptedService
    spool: Spool
    prober: Prober

    async def rounds(self, count: int) -> None:
        """Do some rounds, at their times."""
        for _ in range(count):
            await self.prober.round()
            self.clock.pass_by(INTERVAL_S)

    def found(self) -> list[tuple[str, str]]:
        """Return what was found: (outcome, why)."""
        return [(one.outcome.value, one.why) for one in self.spool.unsent(1_000)]

    def outcomes(self) -> str:
        """Return the first letters of what was found."""
        return "".join(outcome[0] for outcome, _ in self.found())


def open_post(directory: Path, clock: StillClock, service: ScriptedService) -> Post:
    """Begin, or begin again where another one of this directory ended."""
    key = directory / "virtual-key"
    if not key.exists():
        privatefile.create(key, SLOT.encode(), unless_lost="nothing")
    spool = Spool.open(directory / "spool.db")
    prober = Prober(
        knocker=service,
        key=KeptKey.plug_in(key),
        api_key=API_KEY,
        spool=spool,
        clock=clock,
        silent_us=round(2.5 * INTERVAL_S * 1_000_000),
    )
    return Post(directory, clock, service, spool, prober)
