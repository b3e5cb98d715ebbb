"""Reads a payload field by field, and refuses what is too short or too long."""

from hsm.emulator.wire.refusal import Refusal, RefusedError


class Fields:
    """A payload that is being read. Every method raises RefusedError(WRONG_LENGTH)."""

    __slots__ = ("_at", "_payload")

    def __init__(self, payload: bytes) -> None:
        self._payload = payload
        self._at = 0

    def __len__(self) -> int:
        """Return how many octets are left."""
        return len(self._payload) - self._at

    def take(self, count: int) -> bytes:
        """Read exactly `count` octets."""
        end = self._at + count
        if count < 0 or end > len(self._payload):
            raise RefusedError(Refusal.WRONG_LENGTH)
        taken = self._payload[self._at : end]
        self._at = end
        return taken

    def number(self, size: int) -> int:
        """Read an unsigned number of `size` octets, big-endian."""
        return int.from_bytes(self.take(size))

    def u8(self) -> int:
        """Read one octet."""
        return self.number(1)

    def u16(self) -> int:
        """Read two octets."""
        return self.number(2)

    def u32(self) -> int:
        """Read four octets."""
        return self.number(4)

    def u64(self) -> int:
        """Read eight octets."""
        return self.number(8)

    def rest(self, *, leave: int = 0) -> bytes:
        """Read all that is left but the last `leave` octets."""
        return self.take(len(self) - leave)

    def end(self) -> None:
        """Refuse leftovers."""
        if len(self):
            raise RefusedError(Refusal.WRONG_LENGTH)
