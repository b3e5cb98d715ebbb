"""Nodes, backups and the fence in memory, for the store that keeps every port there."""

from collections.abc import Mapping, Sequence
from typing import Any

from server.counter_journal.ports import BACKUPS_KEPT, Place, Raised
from server.counter_journal.records import Accepted
from server.journal.acts import Act, Deed, State, Subject
from server.moving.counters_file import Counters
from server.otp.decision import KeyRow


class MemoryFences:
    """FenceBook and BackupBook on dictionaries."""

    _rows: dict[str, KeyRow]
    _kept: dict[str, Counters]

    def __init__(self) -> None:
        super().__init__()
        self._nodes: dict[str, Place] = {}
        self._backups: list[Mapping[str, Any]] = []
        self._fence: str | None = None

    def _write_down(
        self, act: Act, subject: Subject, before: State | None, after: State | None
    ) -> None:
        raise NotImplementedError

    async def journal_nodes(self) -> Mapping[str, Place]:
        return dict(self._nodes)

    async def note_journal_node(self, node: str, place: Place) -> None:
        self._nodes[node] = place

    async def kept_backups(self) -> Sequence[Mapping[str, Place]]:
        return [
            {node: Place(first) for node, first in backup["nodes"].items()}
            for backup in self._backups
        ]

    async def note_backup(self, backup: Mapping[str, Any], deed: Deed) -> None:
        self._write_down(*deed)
        self._backups = [*self._backups, backup][-BACKUPS_KEPT:]

    def raise_fence(self, text: str) -> None:
        """Let a fence stand, as a restore leaves it."""
        self._fence = text

    async def standing_fence(self) -> str | None:
        return self._fence

    async def keep_fence(self, text: str | None, deed: Deed) -> None:
        self._write_down(*deed)
        if self._fence is not None and text is not None:
            self._fence = text

    async def lift_fence(self, gone: Mapping[str, Place], deed: Deed) -> None:
        self._write_down(*deed)
        self._fence = None
        self._nodes = {
            node: place for node, place in self._nodes.items() if gone.get(node) != place
        }

    async def raise_counters(self, accepted: Sequence[Accepted]) -> Raised:
        raised = 0
        for one in accepted:
            row = self._rows.get(one.public_id)
            if row is not None and (row.session, row.use) < (one.session, one.use):
                raised += 1
                self._rows[one.public_id] = row._replace(
                    session=one.session,
                    use=one.use,
                    clock=one.clock,
                    accepted_us=one.time_us,
                    nonce="",
                )
            elif row is None:
                offered = Counters(one.public_id, True, *one[1:4], "", one.time_us)
                self._kept[one.public_id] = self._kept.get(one.public_id, offered).later(offered)
        unknown = frozenset(one.public_id for one in accepted) - self._rows.keys()
        return Raised(raised, unknown)
