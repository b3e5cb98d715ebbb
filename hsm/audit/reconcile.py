"""AEADs created in the devices, by their logs, against AEADs that the store holds. Pure.

A key that was made and never stored is void, but somebody has it; one that is stored and was
never made here came from elsewhere. What is under way makes the two differ for a moment, so a
difference counts once it was seen twice; one that was told is not told again.
"""

from typing import NamedTuple, Self

from hsm.audit.finding import Finding, Kind


class Balance(NamedTuple):
    """Created minus stored. accounted: what was told or taken as given; seen: the last look's."""

    accounted: int | None
    seen: int

    def format(self) -> str:
        """Return its text; `parse` is the inverse."""
        return f"{'' if self.accounted is None else self.accounted}/{self.seen}"

    @classmethod
    def parse(cls, written: str) -> Self:
        """Read it; ValueError."""
        accounted, slash, seen = written.partition("/")
        if not slash:
            raise ValueError(f"{written!r} is no balance")
        return cls(int(accounted) if accounted else None, int(seen))


def balance(before: Balance | None, created: int, stored: int) -> tuple[Balance, Finding | None]:
    """Compare once more; before: what came of the last time."""
    difference = created - stored
    if before is None:
        return Balance(None, difference), None
    if difference != before.seen or difference == before.accounted:
        return Balance(before.accounted, difference), None
    settled = Balance(difference, difference)
    if before.accounted is None:
        return settled, None
    more = difference - before.accounted
    if more > 0:
        what = (
            f"{more} AEADs were created in the devices that no stored key has: of keys replaced or"
            " half made, or taken by whoever had the provisioner's credential"
        )
    else:
        what = (
            f"{-more} keys are stored whose AEADs no device's log tells of: they came from another"
            " device, or entries of the log were lost"
        )
    counts = f"{what} ({created} created, {stored} stored)"
    return settled, Finding(Kind.UNACCOUNTED, None, counts)
