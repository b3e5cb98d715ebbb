"""The audit: a whole chain held against its own hashes and against signed checkpoints."""

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

from server.journal.chain import Chain, Fault, Link
from server.journal.checkpoint import ChainName, Checkpoint, PublicKeys
from server.journal.entry import BEGINNING, End
from server.journal.moments import format_moment


class Verdict(NamedTuple):
    """What an audit found.

    end: how far the journal is good; attested: the last entry that a checkpoint vouches for;
    checkpoints: how many were held against it; fault: the first thing wrong, None when nothing is.
    """

    end: End
    attested: int
    checkpoints: int
    fault: Fault | None


class Audit:
    """Takes the entries of a chain in their order. checkpoints: any, of the same chain."""

    def __init__(
        self,
        keys: PublicKeys,
        checkpoints: Iterable[Checkpoint],
        chain: ChainName = ChainName.JOURNAL,
    ) -> None:
        self._name = chain
        self._chain = Chain()
        self._checkpoints = sorted(set(checkpoints), key=lambda one: one.end.sequence)
        self._attested = 0
        self._fault = self._doubt(keys)
        self._due: dict[int, Sequence[Checkpoint]] = {
            sequence: list(those)
            for sequence, those in groupby(self._checkpoints, lambda one: one.end.sequence)
        }
        if self._fault is None:
            self._attest(BEGINNING)

    @property
    def fault(self) -> Fault | None:
        """The first thing that is wrong, so far."""
        return self._fault

    @property
    def expected(self) -> int:
        """The number of the next entry."""
        return self._chain.end.sequence + 1

    def take(self, entry: Link) -> None:
        """Look at the next entry; after a fault nothing more is looked at."""
        if self._fault is not None:
            return
        self._fault = self._chain.follow(entry)
        if self._fault is None:
            self._attest(entry.end)

    def refuse(self, what: str) -> None:
        """Note that something stands in the next entry's place that is none."""
        if self._fault is None:
            self._fault = Fault(self.expected, f"entry {self.expected} is not there: {what}")

    def close(self, end: End | None = None) -> Verdict:
        """Return the verdict. end: where somebody says that the journal ends, unsigned."""
        if self._fault is None:
            self._fault = self._missing(end)
        return Verdict(self._chain.end, self._attested, len(self._checkpoints), self._fault)

    def _doubt(self, keys: PublicKeys) -> Fault | None:
        for one in self._checkpoints:
            doubt = keys.doubt(one)
            if doubt is None and one.chain is not self._name:
                doubt = "it is one of another chain: the journal and the ledger have their own"
            if doubt is not None:
                return Fault(one.end.sequence, f"{_name(one)}: {doubt}")
        return None

    def _attest(self, end: End) -> None:
        # Those that agree first: two that contradict each other give one answer, in any order.
        due = self._due.get(end.sequence, ())
        for one in sorted(due, key=lambda one: one.end.hash != end.hash):
            if one.end.hash != end.hash:
                # From the last entry that a checkpoint vouches for: nothing tells more.
                first = min(self._attested + 1, max(1, end.sequence))
                self._fault = Fault(
                    first,
                    f"{_name(one)} confirmed another entry {end.sequence}: an entry was replaced,"
                    f" entry {first} or a later one, and the hashes after it computed anew",
                )
                return
            self._attested = end.sequence

    def _missing(self, said: End | None) -> Fault | None:
        end = self._chain.end
        if not self._checkpoints:
            return Fault(
                end.sequence + 1,
                "there is no checkpoint: nothing shows that the chain is the one that was"
                " written, and that its end is there",
            )
        last = self._checkpoints[-1]
        if last.end.sequence > end.sequence:
            return Fault(
                end.sequence + 1,
                f"entry {end.sequence + 1} is missing, and all after it: {_name(last)} confirmed"
                f" {last.end.sequence} entries",
            )
        if said is not None and said != end:
            return Fault(
                end.sequence + 1,
                f"the chain should end with entry {said.sequence}, and ends with entry"
                f" {end.sequence} or another one of that number",
            )
        return None


def _name(checkpoint: Checkpoint) -> str:
    return f"the checkpoint of {format_moment(checkpoint.time_us)}"
