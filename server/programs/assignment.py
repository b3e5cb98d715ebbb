"""What the control process tells a new worker, as the link's first message.

Three secrets are in it. The keys of the vault, which the HSM unwrapped for the control process:
a worker neither asks an HSM for them nor reads a file. The salt, which keeps strangers from
computing which bucket a network pays from. The TLS key, from the memory of the control process,
so that a dead worker has a successor also while bad files lie in the place of the good ones. The
link is a pair of sockets between the two processes: nothing of it touches a disk.
"""

import json
import string
from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any, NamedTuple, Self

from server.config import Config
from server.datadir import DataDirectory
from server.handed_keys import HandedKeys
from server.tlsfiles import Handed, Pem

_SEAT_LETTERS = frozenset(string.ascii_lowercase + string.digits)

FORMAT = 3
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
    (letters and digits); config: the effective one; keys: of the vault; salt: of the unsigned
    buckets; certificate: the TLS certificate in service with its key, None without TLS.
    """

    slot: int
    seat: str
    data: DataDirectory
    config: Config
    keys: HandedKeys
    salt: bytes
    certificate: Handed | None = None

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
                "keys": b64encode(self.keys.encode()).decode(),
                "salt": self.salt.hex(),
                "certificate": None if self.certificate is None else _written(self.certificate),
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
                HandedKeys.decode(b64decode(value["keys"], validate=True)),
                bytes.fromhex(value["salt"]),
                None if value["certificate"] is None else _read(value["certificate"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise OtherVersionError from error


def _written(handed: Handed) -> dict[str, object]:
    pem = [None if octets is None else b64encode(octets).decode() for octets in handed.pem]
    return {"pem": pem, "seen": handed.seen}


def _read(value: Any) -> Handed:  # noqa: ANN401 - JSON
    certificate, key, client_ca = value["pem"]
    pem = Pem(
        b64decode(certificate, validate=True),
        b64decode(key, validate=True),
        None if client_ca is None else b64decode(client_ca, validate=True),
    )
    return Handed(pem, tuple(tuple(map(int, file)) for file in value["seen"]))
