"""The fence of a restored store: what it is, as a value, and what would let it fall.

A backup holds the counters of the time it was made. Every OTP used since then would be accepted
again. So a restored store refuses everything until the counter journals of all nodes have told
it what was accepted, or an operator takes the responsibility, in writing.
"""

import json
from collections.abc import Mapping
from typing import NamedTuple, Self

FORMAT = 1


class Fence(NamedTuple):
    """Why all keys are fenced.

    backup, made: which backup was restored and when it was made; restored: when that was; store:
    the store's id; epoch: what journals written since the restore are marked with. nodes: by
    name, the entry from which on the store may lack them; None: that node kept no journal.
    problems: what was wrong with the journals when they were last replayed.
    """

    backup: str
    made: str
    restored: str
    store: str
    epoch: str
    nodes: Mapping[str, int | None]
    problems: Mapping[str, str]

    def encode(self) -> str:
        """Return the text that the store keeps; `decode` is its inverse."""
        value = {"format": FORMAT, **self._asdict()}
        return json.dumps(value, separators=(",", ":"), sort_keys=True)

    @classmethod
    def decode(cls, text: str) -> Self:
        """Read what the store keeps. Whatever stands there is a fence, also if unreadable."""
        try:
            value = json.loads(text)
            if (known := value.pop("format")) == FORMAT:
                return cls(**value)
            unreadable = {"-": f"the fence has format {known!r}: made by a newer Keystead"}
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            unreadable = {"-": f"the fence itself cannot be read ({error})"}
        return cls("", "", "", "", "", {}, unreadable)
