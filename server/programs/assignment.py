"""What the control process tells a new worker, as the link's first message.

The salt is the only secret in it: it keeps strangers from computing which bucket a network
pays from. The sealing key is not here, a worker reads its file.
"""

import json
import string
from pathlib import Path
from typing import NamedTuple, Self

from server.config import Config
from server.datadir import DataDirectory

_SEAT_LETTERS = frozenset(string.ascii_lowercase + string.digits)

FORMAT = 1
"""Of this message and of the link's frames: raised when a worker of the next version could not
work for a control process of this one. While it stays, an upgrade can replace workers alone."""


class OtherVersionError(Exception):
    """The control process and the worker are of versions that do not work together."""

    def __init__(self) -> None:
        super().__init__(
            "the control process is of another version than the programs on the disk, and this"
            " worker cannot work for it. Restart the service"
        )


class Assignment(NamedTuple):
    """A worker's place.

    slot: counts from 0; seat: names the worker's tally, two workers of a slot never share one
    (letters and digits); config: the effective one; key_id: 4 octets, of the sealing key that
    the control process found; salt: of the unsigned buckets; certificate: fingerprint of the
    TLS certificate in service, "" without TLS (the worker reads the files itself).
    """

    slot: int
    seat: str
    data: DataDirectory
    config: Config
    key_id: bytes
    salt: bytes
    certificate: str = ""

    def __repr__(self) -> str:
        return f"Assignment(slot={self.slot}, <hidden>)"

    def encode(self) -> bytes:
        """Return the message's body; `decode` is its inverse."""
        return json.dumps(
            {
                "format": FORMAT,
                "slot": self.slot,
                "seat": self.seat,
                "data": str(self.data.root.absolute()),
                "config": self.config.model_dump(mode="json"),
                "key_id": self.key_id.hex(),
                "salt": self.salt.hex(),
                "certificate": self.certificate,
            }
        ).encode()

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Read a message's body; OtherVersionError."""
        try:
            value = json.loads(body)
            if value["format"] != FORMAT or not set(value["seat"]) <= _SEAT_LETTERS:
                raise OtherVersionError
            return cls(
                value["slot"],
                value["seat"],
                DataDirectory(Path(value["data"])),
                Config.model_validate(value["config"]),
                bytes.fromhex(value["key_id"]),
                bytes.fromhex(value["salt"]),
                value["certificate"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise OtherVersionError from error
