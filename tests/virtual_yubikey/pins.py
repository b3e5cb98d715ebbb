"""A PIN with tries: wrong ones are counted, the right one restores them, none left blocks it."""

from tests.virtual_yubikey.apdu import Refused, Status


class Pin:
    """One PIN, PUK or code. value: what is right. total: tries after the last right one."""

    def __init__(self, value: bytes, total: int) -> None:
        self.total = total
        self.left = total
        self._factory = value
        self._value = value

    def __repr__(self) -> str:
        return f"Pin({self.left} of {self.total} tries left)"

    @property
    def value(self) -> bytes:
        """What is right."""
        return self._value

    @property
    def is_default(self) -> bool:
        """Whether it is still what the factory set."""
        return self._value == self._factory

    @property
    def blocked(self) -> bool:
        """Whether no tries are left."""
        return self.left == 0

    def check(self, given: bytes) -> None:
        """Spend a try and return when it was right; raises Refused with what is left."""
        if self.blocked:
            raise Refused(Status.BLOCKED)
        self.left -= 1
        if given != self._value:
            raise self.refusal()
        self.left = self.total

    def refusal(self) -> Refused:
        """Return what says how many tries are left."""
        return Refused(Status.BLOCKED if self.blocked else Status.WRONG_PIN | min(self.left, 15))

    def change(self, value: bytes) -> None:
        """Set another, with all tries."""
        self._value = value
        self.left = self.total

    def set_total(self, total: int) -> None:
        """Allow other tries from now on, all of them."""
        self.total = self.left = total

    def reset(self, total: int | None = None) -> None:
        """Set what the factory set, with all tries or other tries."""
        self.total = self.total if total is None else total
        self.change(self._factory)
