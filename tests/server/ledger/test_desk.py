"""The desk signs a ledger that continues what it signed, and erases what may be erased."""

import pytest

from server.journal.acts import Act, Actor
from server.journal.checkpoint import ChainName
from server.ledger.desk import (
    LedgerDamagedError,
    LedgerDesk,
    NotErasableError,
    UnknownLedgerEntryError,
)
from server.ledger.entry import Kind, NewEntry
from tests.server.acts import CAUSE
from tests.server.journal.chains import KEY, KEYS
from tests.server.journal.copies import Copies
from tests.server.ledger.entries import chain, incident_steps
from tests.server.memory_store import MemoryStore
from tests.server.still_clock import StillClock
from tests.server.storage.entries import POLICY


class Desk(LedgerDesk):
    """A desk with everything behind it in sight."""

    def __init__(self) -> None:
        self.clock = StillClock()
        self.store = MemoryStore(clock=self.clock, default_policy=POLICY)
        self.copies = Copies()
        super().__init__(self.store, KEY, self.copies)

    def happen(self, *news: NewEntry) -> None:
        self.store.append_ledger(news, self.clock.us)


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def test_a_checkpoint_names_its_chain_and_is_witnessed(desk: Desk) -> None:
    for count in (0, 3, 120):
        desk.happen(*incident_steps(count))
        checkpoint = await desk.checkpoint()
        assert checkpoint.end == await desk.end()
        assert checkpoint.chain is ChainName.LEDGER
        assert KEYS.doubt(checkpoint) is None
        assert desk.copies.kept[-1] == checkpoint
    assert [number for number, _ in await desk.checkpoints(1, 9)] == [2, 3]


async def test_a_checkpoint_passed_off_as_the_journals_is_not_believed(desk: Desk) -> None:
    made = await desk.checkpoint()
    assert "altered" in str(KEYS.doubt(made._replace(chain=ChainName.JOURNAL)))


async def test_a_ledger_that_was_written_anew_is_not_signed(desk: Desk) -> None:
    desk.happen(*incident_steps(3))
    await desk.checkpoint()
    desk.store._ledger = chain([*incident_steps(2), NewEntry(Kind.INCIDENT, "8", {})])
    with pytest.raises(LedgerDamagedError, match="tampered with"):
        await desk.checkpoint()


async def test_a_payload_that_was_altered_is_found_before_it_is_signed(desk: Desk) -> None:
    desk.happen(*incident_steps(3))
    entry = desk.store._ledger[1]
    assert entry.payload is not None
    altered = entry.payload._replace(value={"step": "another"})
    desk.store._ledger[1] = entry._replace(payload=altered)
    with pytest.raises(LedgerDamagedError) as damage:
        await desk.checkpoint()
    assert damage.value.fault.sequence == 2


async def test_an_erased_payload_is_no_damage_and_gone_for_good(desk: Desk) -> None:
    desk.happen(*incident_steps(2), NewEntry(Kind.MINUTES, "2026-10-01", {}))
    erased = await desk.erase(1, cause=CAUSE)
    assert erased.payload is None
    assert (await desk.checkpoint()).end.sequence == 3
    with pytest.raises(NotErasableError, match="before"):
        await desk.erase(1, cause=CAUSE)
    with pytest.raises(NotErasableError, match="figures"):
        await desk.erase(3, cause=CAUSE)
    with pytest.raises(UnknownLedgerEntryError):
        await desk.erase(4, cause=CAUSE)
    told = (await desk.store.latest_entries(1))[0].deed
    assert (told.act, told.subject.id) == (CAUSE.act("ledger.erase"), "1")
    assert isinstance(told.act, Act)
    assert isinstance(told.act.actor, Actor)
