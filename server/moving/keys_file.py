"""The reference's keys, read by the rules of `server.otp.ksm`, and when each was made."""

from typing import NamedTuple

from hsm.vault import OtpKeySecrets
from server.moving.cells import CellError, join, split
from server.moving.moments import read_moment, show_date
from server.otp.ksm import KsmError, parse_ksm_line

COLUMNS = "serialnr,publicname,internalname,aeskey,lockcode,created,accessed[,progflags]"

_CREATED = 5
_NO_LOCK_CODE = "000000000000"


class MovedKey(NamedTuple):
    """A key. public_id: 0-16 modhex letters; serial: decimal or ""; created_us: 0 = not known."""

    public_id: str
    serial: str
    secrets: OtpKeySecrets
    created_us: int

    def format(self) -> str:
        """Return the line that `parse_key` reads. Keystead keeps no lock codes."""
        aes_key, private_id = self.secrets
        return join(
            [
                self.serial or "0",
                self.public_id,
                private_id.hex(),
                aes_key.hex(),
                _NO_LOCK_CODE,
                show_date(self.created_us),
                "",
            ]
        )


def parse_key(number: int, line: str) -> MovedKey:
    """Read a line; CellError says which column is at fault and what belongs there."""
    cells = split(line)
    if any("," in cell for cell in cells):
        raise CellError(f"a comma within a column; the columns are {COLUMNS}")
    try:
        key = parse_ksm_line(number, ",".join(cells))
    except KsmError as error:
        raise CellError(error.fault) from None
    created = read_moment("created", cells[_CREATED])
    return MovedKey(key.public_id, key.serial, key.secrets, created or 0)
