"""The reference's clients: `id,active,created,secret,email,notes,otp`, as values."""

import base64
import binascii
import re
from typing import NamedTuple

from server.moving.cells import CellError, join, split
from server.moving.moments import read_moment, show_seconds
from server.moving.switches import read_active, show_active
from server.sheet_cells import guard, unguard

COLUMNS = "id,active,created,secret,email,notes,otp"

MAX_NAME = 100
_FIELDS = 7
_ID = re.compile(r"0{0,9}([1-9][0-9]{0,9})")
_MAX_ID = 0x7FFFFFFF
"""What the reference's column holds. The next id that is given out is above all that came."""

_MAX_SECRET = 128
_MAX_SECRET_OCTETS = 64
_MAX_EMAIL = 255
_MAX_NOTES = 500
_MAX_OTP = 100


class MovedClient(NamedTuple):
    """A client. client_id: 31 bits, not 0; secret: the decoded API key; created_us: 0 = not known.

    email, notes: free text without controls, "" when there is none.
    """

    client_id: int
    active: bool
    created_us: int
    secret: bytes
    email: str
    notes: str

    def __repr__(self) -> str:
        """Secrets never reach a log by way of `repr`."""
        return f"MovedClient(client_id={self.client_id}, <hidden>)"

    @property
    def name(self) -> str:
        """Return what an operator will call it: its notes, its e-mail address, or its number."""
        for text in (self.notes, self.email):
            if name := text.strip(" ")[:MAX_NAME].strip(" "):
                return name
        return f"client {self.client_id}"

    def format(self) -> str:
        """Return the line that `parse_client` reads. The OTP it was made with is not kept."""
        return join(
            [
                str(self.client_id),
                show_active(active=self.active),
                show_seconds(self.created_us),
                base64.b64encode(self.secret).decode("ascii"),
                guard(self.email),
                guard(self.notes),
                "",
            ]
        )


def parse_client(line: str) -> MovedClient:
    """Read a line; CellError says which column is at fault and what belongs there."""
    cells = split(line)
    if len(cells) < _FIELDS:
        raise CellError(f"{len(cells)} columns where {_FIELDS} belong: {COLUMNS}")
    client_id, active, created, secret, email = cells[:5]
    # The reference quotes nothing, and only notes can hold a comma.
    notes, otp = unguard(",".join(cells[5:-1])), cells[-1]
    email = unguard(email)
    found = _ID.fullmatch(client_id)
    if found is None or int(found[1]) > _MAX_ID:
        raise CellError(f"id must be a whole number from 1 to {_MAX_ID}")
    for name, text, longest in (
        ("email", email, _MAX_EMAIL),
        ("notes", notes, _MAX_NOTES),
        ("otp", otp, _MAX_OTP),
    ):
        if len(text) > longest or not text.isprintable():
            raise CellError(f"{name} must be at most {longest} printable characters")
    return MovedClient(
        int(found[1]),
        read_active(active),
        read_moment("created", created) or 0,
        _secret(secret),
        email,
        notes,
    )


def _secret(cell: str) -> bytes:
    if not cell:
        raise CellError(
            "secret is empty: anybody could sign as this client. Give it an API key"
            " (base64 of 20 random octets), or remove the line"
        )
    try:
        secret = base64.b64decode(cell[: _MAX_SECRET + 1], validate=True)
    except (ValueError, binascii.Error):
        secret = b""
    if not 1 <= len(secret) <= _MAX_SECRET_OCTETS:
        raise CellError(f"secret must be base64 of 1 to {_MAX_SECRET_OCTETS} octets")
    return secret
