"""A YubiKey without the hardware: types OTPs for the sandbox, load and tests."""

from validation import modhex
from validation.otp import MAX_PUBLIC_ID_LETTERS, SESSION_END, OtpCipher, OtpFields

_USES = 1 << 8
_CLOCK = 1 << 24


class WornOutError(Exception):
    """The session counter has reached its end; a real key stays silent from then on."""


class VirtualYubiKey:
    """One OTP slot with its counters.

    public_id: 0-16 modhex letters; private_id: 6 octets; aes_key: 16 octets. session
    (0..0x7fff), use (0..255) and clock (24 bits, 8 Hz) are those of the *next* OTP: keep the
    three to go on later. ValueError for anything that does not fit.
    """

    __slots__ = ("_cipher", "_private_id", "clock", "public_id", "session", "use")

    def __init__(
        self,
        public_id: str,
        private_id: bytes,
        aes_key: bytes,
        *,
        session: int = 1,
        use: int = 0,
        clock: int = 0,
    ) -> None:
        if len(public_id) > MAX_PUBLIC_ID_LETTERS or not modhex.is_modhex(public_id):
            raise ValueError("a public id has 0 to 16 modhex letters")
        OtpFields(private_id, session, clock, use, random=0).pack()  # refuses what does not fit
        self.public_id = public_id
        self._private_id = private_id
        self._cipher = OtpCipher(aes_key)
        self.session = session
        self.use = use
        self.clock = clock

    def __repr__(self) -> str:
        """Name the key and its counters, never its secrets."""
        return f"VirtualYubiKey({self.public_id!r}, session={self.session}, use={self.use})"

    def press(self, random: int) -> str:
        """Return the next OTP's text and move the counters on. random: 16 bits.

        When the use counter wraps, the session counter goes up, as in the device.
        Raises WornOutError after the last OTP of the last session.
        """
        if self.session >= SESSION_END:
            raise WornOutError("this key has used up its session counter: make another")
        fields = OtpFields(self._private_id, self.session, self.clock, self.use, random)
        text = self.public_id + modhex.encode(self._cipher.seal(fields))
        self.use = (self.use + 1) % _USES
        self.session += self.use == 0
        return text

    def power_up(self, clock: int = 0) -> None:
        """Plug the key in again: next session, uses from 0, its clock from anywhere (24 bits)."""
        self.session += 1
        self.use = 0
        self.clock = clock % _CLOCK

    def wait(self, ticks: int) -> None:
        """Let the key's own clock run on by so many eighths of a second."""
        self.clock = (self.clock + ticks) % _CLOCK
