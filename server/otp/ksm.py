"""The key file of the reference key storage module, read strictly and written back.

One key a line: `serialnr,publicname,internalname,aeskey,lockcode,created,accessed[,progflags]`.
Lines starting with `#` and empty lines are ignored. The lock code and the two times are
checked for their form and dropped: validation needs none of them.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from hsm.vault import OtpKeySecrets
from validation.modhex import is_modhex

MAX_KEYS = 100_000
MAX_LINE = 1024
_MAX_PUBLIC_ID = 16
_FIELDS = (7, 8)

_SERIAL = re.compile(r"[0-9]{0,20}")
_PRIVATE_ID = re.compile(r"[0-9a-fA-F]{12}")
_AES_KEY = re.compile(r"[0-9a-fA-F]{32}")
_LOCK_CODE = re.compile(r"[0-9a-fA-F]{0,32}")
_TIME = re.compile(r"[0-9T: +.Z-]{0,40}")
_FLAGS = re.compile(r"[0-9a-zA-Z]{0,32}")


class KsmError(ValueError):
    """A key file is refused as a whole. line: the line at fault, from 1; fault: what it is.

    The message names the field and what to do, never what the field holds: it may be a
    secret, or a secret in the wrong place.
    """

    def __init__(self, line: int, fault: str) -> None:
        super().__init__(f"line {line}: {fault}")
        self.line = line
        self.fault = fault


class KsmKey(NamedTuple):
    """One key of the file. serial: decimal text or ""; public_id: 0-16 lower-case modhex."""

    line: int
    serial: str
    public_id: str
    secrets: OtpKeySecrets

    def format(self) -> str:
        """Return the line as the reference's tools write it, its optional fields empty."""
        aes_key, private_id = self.secrets
        return f"{self.serial},{self.public_id},{private_id.hex()},{aes_key.hex()},,,"


def parse_ksm(text: str) -> Iterator[KsmKey]:
    """Yield the keys of a file one by one; KsmError ends it, and then none may be used."""
    lines_seen: dict[str, int] = {}
    for number, raw in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        line = raw.removesuffix("\r")
        if len(line) > MAX_LINE:
            raise KsmError(number, f"longer than {MAX_LINE} characters; is this a key file?")
        if "\r" in line:
            # Behind a # all that follows would pass for a comment, keys and all.
            raise KsmError(
                number, "a carriage return within the line; save the file with line ends LF"
            )
        if line.startswith("-----BEGIN PGP"):
            raise KsmError(number, "the file is encrypted; decrypt it first (gpg --decrypt)")
        if not line.strip() or line.startswith("#"):
            continue
        key = parse_ksm_line(number, line)
        first = lines_seen.setdefault(key.public_id, number)
        if first != number:
            raise KsmError(
                number,
                f"the public id {key.public_id!r} is on line {first} already; remove one of them",
            )
        if len(lines_seen) > MAX_KEYS:
            raise KsmError(
                number, f"more than {MAX_KEYS} keys; split the file and import the parts"
            )
        yield key


def parse_ksm_line(number: int, line: str) -> KsmKey:
    """Read one line that is neither empty nor a comment; KsmError."""
    fields = line.split(",")
    if len(fields) not in _FIELDS:
        raise KsmError(
            number,
            f"{len(fields)} fields where 7 or 8 belong: serialnr,publicname,internalname,"
            "aeskey,lockcode,created,accessed[,progflags]",
        )
    serial, public_id, private_id, aes_key, lock_code, created, accessed, *flags = fields
    public_id = public_id.lower()
    if len(public_id) > _MAX_PUBLIC_ID or not is_modhex(public_id):
        raise KsmError(number, "publicname must be 0 to 16 modhex letters (cbdefghijklnrtuv)")
    for name, value, form, what in (
        ("serialnr", serial, _SERIAL, "a decimal number or empty"),
        ("internalname", private_id, _PRIVATE_ID, "12 hexadecimal digits"),
        ("aeskey", aes_key, _AES_KEY, "32 hexadecimal digits"),
        ("lockcode", lock_code, _LOCK_CODE, "hexadecimal digits or empty"),
        ("created", created, _TIME, "a time like 2026-01-31T12:00:00, or empty"),
        ("accessed", accessed, _TIME, "a time like 2026-01-31T12:00:00, or empty"),
        ("progflags", "".join(flags), _FLAGS, "letters and digits, or left out"),
    ):
        if form.fullmatch(value) is None:
            raise KsmError(number, f"{name} must be {what}")
    return KsmKey(
        number,
        serial,
        public_id,
        OtpKeySecrets(aes_key=bytes.fromhex(aes_key), private_id=bytes.fromhex(private_id)),
    )
