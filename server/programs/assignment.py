"""What the control process tells a new worker, as the link's first message. No secret in it."""

import json
from pathlib import Path
from typing import NamedTuple, Self

from server.config import Config
from server.datadir import DataDirectory


class Assignment(NamedTuple):
    """A worker's place: its slot, the data directory and the effective configuration."""

    slot: int
    data: DataDirectory
    config: Config

    def encode(self) -> bytes:
        """Return the message's body; `decode` is its inverse."""
        return json.dumps(
            {
                "slot": self.slot,
                "data": str(self.data.root.absolute()),
                "config": self.config.model_dump(mode="json"),
            }
        ).encode()

    @classmethod
    def decode(cls, body: bytes) -> Self:
        """Read a message's body; ValueError when the two programs are not of one version."""
        value = json.loads(body)
        data = DataDirectory(Path(value["data"]))
        return cls(value["slot"], data, Config.model_validate(value["config"]))
