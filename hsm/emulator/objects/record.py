"""An object as the device keeps it, and how it describes it."""

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from hsm.emulator.wire.algorithm import Algorithm
from hsm.emulator.wire.kind import DELEGATING, Kind, Origin

_T = TypeVar("_T")

LABEL_SIZE = 40
PAGE_SIZE = 126

_INFO = struct.Struct("!QHHHBBBB40sQ")
DELEGATED_SIZE = 8


@dataclass(slots=True)
class Record:
    """One object. material: the internal form of its key or data, a secret for most kinds.

    label: 40 octets, filled up with zeros; sequence: how often this id was written before.
    """

    kind: Kind
    object_id: int
    label: bytes
    domains: int
    capabilities: int
    algorithm: Algorithm
    origin: Origin
    material: bytes = field(repr=False)
    delegated: int = 0
    sequence: int = 0
    _opened: Any = field(default=None, repr=False, compare=False)

    @property
    def body(self) -> bytes:
        """What is counted, and wrapped: the delegated capabilities first where there are some."""
        if self.kind in DELEGATING:
            return self.delegated.to_bytes(DELEGATED_SIZE) + self.material
        return self.material

    @property
    def pages(self) -> int:
        """How many pages of storage it takes."""
        return math.ceil(len(self.body) / PAGE_SIZE)

    def opened(self, make: Callable[[bytes], _T]) -> _T:
        """Return the key made of the material, made once: an RSA key takes its time."""
        if self._opened is None:
            self._opened = make(self.material)
        made: _T = self._opened
        return made

    def info(self) -> bytes:
        """Write GET_OBJECT_INFO's reply."""
        return _INFO.pack(
            self.capabilities,
            self.object_id,
            len(self.body),
            self.domains,
            self.kind,
            self.algorithm,
            self.sequence,
            self.origin,
            self.label,
            self.delegated,
        )
