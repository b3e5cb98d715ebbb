"""The reference's counters: `active,created,modified,yk_publicname,yk_counter,...`, as values."""

import re
from typing import NamedTuple

from server.moving.cells import CellError, join, split
from server.moving.moments import read_moment, show_seconds
from server.moving.switches import read_active, show_active
from server.sheet_cells import unguard
from validation.modhex import is_modhex

COLUMNS = "active,created,modified,yk_publicname,yk_counter,yk_use,yk_low,yk_high,nonce,notes"

_FIELDS = 10
_MAX_PUBLIC_ID = 16
_MAX_SESSION = 0x7FFF
_MAX_OCTET = 0xFF
_MAX_WORD = 0xFFFF
_NUMBER = re.compile(r"-1|[0-9]{1,5}")
_NONCE = re.compile(r"[0-9A-Za-z]{16,40}")
_MAX_NONCE = 64


class Counters(NamedTuple):
    """How far a key has counted. session, use: -1 before its first OTP; clock: 24 bits at 8 Hz.

    nonce: of the request that was accepted last, "" when no request could have it. Times are
    microseconds since the epoch, 0 when not known.
    """

    public_id: str
    active: bool
    session: int
    use: int
    clock: int
    nonce: str
    accepted_us: int
    created_us: int = 0

    def later(self, other: "Counters") -> "Counters":
        """Return the higher of two states of one key; it is active when both say so."""
        ahead = max(self, other, key=lambda each: (each.session, each.use))
        return ahead._replace(active=self.active and other.active)

    def format(self) -> str:
        """Return the line that `parse_counters` reads; what is not kept is empty."""
        used = self.session >= 0
        return join(
            [
                show_active(active=self.active),
                show_seconds(self.created_us),
                show_seconds(self.accepted_us),
                self.public_id,
                str(self.session),
                str(self.use),
                str(self.clock & _MAX_WORD if used else -1),
                str(self.clock >> 16 if used else -1),
                self.nonce,
                "",
            ]
        )


def parse_counters(line: str) -> Counters:
    """Read a line; CellError says which column is at fault and what belongs there."""
    cells = split(line)
    if len(cells) < _FIELDS:
        raise CellError(f"{len(cells)} columns where {_FIELDS} belong: {COLUMNS}")
    active, created, modified, public_id, session, use, low, high, nonce = cells[: _FIELDS - 1]
    notes = unguard(",".join(cells[_FIELDS - 1 :]))  # last, and the reference does not quote it
    public_id = public_id.lower()
    if len(public_id) > _MAX_PUBLIC_ID or not is_modhex(public_id):
        raise CellError("yk_publicname must be 0 to 16 modhex letters (cbdefghijklnrtuv)")
    counted = _number("yk_counter", session, _MAX_SESSION), _number("yk_use", use, _MAX_OCTET)
    clock = _number("yk_low", low, _MAX_WORD), _number("yk_high", high, _MAX_OCTET)
    if (counted[0] < 0) != (counted[1] < 0):
        raise CellError("yk_counter and yk_use are both -1 (never used), or neither is")
    if len(nonce) > _MAX_NONCE or not (nonce + notes).isprintable():
        raise CellError("nonce and notes must be printable text, nonce at most 64 characters")
    used = counted[0] >= 0
    return Counters(
        public_id,
        read_active(active),
        *counted,
        clock=max(0, clock[1]) << 16 | max(0, clock[0]) if used else 0,
        nonce=nonce if used and _NONCE.fullmatch(nonce) else "",
        accepted_us=(read_moment("modified", modified) or 0) if used else 0,
        created_us=read_moment("created", created) or 0,
    )


def _number(name: str, cell: str, largest: int) -> int:
    if _NUMBER.fullmatch(cell) is None or int(cell) > largest:
        raise CellError(f"{name} must be a whole number from -1 to {largest}")
    return int(cell)
