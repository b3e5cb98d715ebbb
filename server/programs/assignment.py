"""What the control process tells a new worker, as the link's first message.

The salt is the only secret in it: it keeps strangers from computing which bucket a network
pays from. The sealing key is not here, a worker reads its file.
"""

import json
from pathlib import Path
from typing import NamedTuple, Self

from server.config import Config
from server.datadir import DataDirectory


class Assignment(NamedTuple):
    """A worker's place.

    slot: counts from 0; config: the effective one; key_id: 4 octets, of the sealing key that
    the control process found; salt: of the unsigned buckets; certificate: fingerprint of the
    TLS certificate in service, "" without TLS (the worker reads the files itself).
    """

    slot: int
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
                "slot": self.slot,
                "data": str(self.data.root.absolute()),
                "config": self.config.model_dump(mode="json"),
                "key_id": self.key_id.hex(),
                "salt": self.salt.hex(),
                "certificate": self.certificate,
            }
        ).encode()

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Read a message's body; ValueError when the two programs are not of one version."""
        value = json.loads(body)
        data = DataDirectory(Path(value["data"]))
        return cls(
            value["slot"],
            data,
            Config.model_validate(value["config"]),
            bytes.fromhex(value["key_id"]),
            bytes.fromhex(value["salt"]),
            value["certificate"],
        )
