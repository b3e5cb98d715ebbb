"""The prober's virtual YubiKey: a private file with its secrets and counters.

The counters move there, durably, before an OTP leaves this module: no kill and no power cut makes
it repeat one. At each start it is "plugged in" anew, so also an OTP that was never sent is passed.
"""

import json
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Self

from hsm import privatefile
from validation import modhex
from validation.otp import SESSION_END
from validation.virtual import VirtualYubiKey

_FORMAT = "keystead-probe-key-1"
_LARGEST = 4096
_PUBLIC_ID_OCTETS = 5
_CLOCK_HZ = 8
_CLOCK_END = 1 << 24
_US = 1_000_000


class KeyFileError(Exception):
    """The file is no virtual key; says what to do."""


class Slot(NamedTuple):
    """All of the virtual key. session, use: of the next OTP."""

    public_id: str
    private_id: bytes
    aes_key: bytes
    session: int = 1
    use: int = 0

    def __repr__(self) -> str:
        return f"Slot({self.public_id!r}, <hidden>)"

    @classmethod
    def draw(cls, token_bytes: Callable[[int], bytes] = secrets.token_bytes) -> Self:
        """Return a new key. Ids that users give themselves begin with "vv"."""
        public_id = "vv" + modhex.encode(token_bytes(_PUBLIC_ID_OCTETS))
        return cls(public_id, token_bytes(6), token_bytes(16))

    def encode(self) -> bytes:
        """Return the file's content; `decode` is its inverse."""
        value = {
            "format": _FORMAT,
            "public_id": self.public_id,
            "private_id": self.private_id.hex(),
            "aes_key": self.aes_key.hex(),
            "session": self.session,
            "use": self.use,
        }
        return json.dumps(value).encode() + b"\n"

    @classmethod
    def decode(cls, octets: bytes) -> Self:
        """Read a file's content; ValueError."""
        try:
            value = json.loads(octets)
            if value.pop("format") != _FORMAT:
                raise ValueError("another format")
            slot = cls(
                str(value.pop("public_id")),
                bytes.fromhex(value.pop("private_id")),
                bytes.fromhex(value.pop("aes_key")),
                int(value.pop("session")),
                int(value.pop("use")),
            )
            slot.key()
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError("no virtual key") from error
        if value:
            raise ValueError("more than a virtual key")
        return slot

    def key(self, clock: int = 0) -> VirtualYubiKey:
        """Return the key itself; ValueError for what does not fit. clock: 24 bits at 8 Hz."""
        return VirtualYubiKey(
            self.public_id,
            self.private_id,
            self.aes_key,
            session=self.session,
            use=self.use,
            clock=clock,
        )


class KeptKey:
    """A virtual key in its file. One process at a time: whoever holds the spool."""

    def __init__(self, path: Path, slot: Slot) -> None:
        self._path = path
        self._slot = slot

    @classmethod
    def plug_in(cls, path: Path) -> Self:
        """Read the file and begin its next session; KeyFileError, PrivateFileError."""
        octets = privatefile.read(
            path,
            _LARGEST,
            when_absent="Make a client and a key with: keystead probe init",
            when_open="make another key with keystead probe init: others may have read this one",
        )
        try:
            slot = Slot.decode(octets)
        except ValueError as error:
            raise KeyFileError(
                f"{path} holds no virtual key ({error}). Make one with: keystead probe init"
            ) from None
        kept = cls(path, slot)
        kept.power_up()
        return kept

    @property
    def public_id(self) -> str:
        """Whose OTPs these are."""
        return self._slot.public_id

    def power_up(self) -> None:
        """Begin the next session."""
        self._slot = self._slot._replace(session=min(self._slot.session + 1, SESSION_END), use=0)

    def press(self, now_us: int) -> str:
        """Return the next OTP; its counters have moved on durably. WornOutError, OSError's kin."""
        key = self._slot.key(clock=now_us * _CLOCK_HZ // _US % _CLOCK_END)
        otp = key.press(secrets.randbits(16))
        moved_on = self._slot._replace(session=key.session, use=key.use)
        privatefile.replace(self._path, moved_on.encode())
        self._slot = moved_on
        return otp
