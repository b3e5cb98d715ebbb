"""The keys of all machines: read together and once in a while, however many unknown ids come."""

import asyncio
import os
from collections.abc import Mapping

import pytest

from hsm.journalkey import JournalKey
from server.journal.acts import OPERATOR, Actor, Cause
from server.journal.checkpoint import KEY_ID_OCTETS, key_id_of
from server.otp.ports import StoreUnavailableError
from server.storage.identity import KEYS_READ_EVERY_S, StoredJournalKeys, introduce_journal_key
from tests.server.memory_store import MemoryStore
from tests.server.still_clock import StillClock
from tests.server.web.office import DEFAULT

OURS, THEIRS = JournalKey.generate().public_key, JournalKey.generate().public_key
EVE = Cause(Actor(OPERATOR, "eve"), "a test")


class _Read(MemoryStore):
    """Counts how often it is read. away: it is not there."""

    reads = 0
    away = False

    async def metas(self, prefix: str) -> Mapping[str, str]:
        self.reads += 1
        await asyncio.sleep(0)
        if self.away:
            raise StoreUnavailableError("away")
        return await super().metas(prefix)


@pytest.fixture
async def store() -> _Read:
    made = _Read(clock=StillClock(), default_policy=DEFAULT)
    await introduce_journal_key(made, THEIRS, cause=EVE)
    return made


async def test_our_own_key_is_known_without_a_read(store: _Read) -> None:
    keys = StoredJournalKeys(store, StillClock(), own=OURS)
    assert await keys.public_key(key_id_of(OURS)) == OURS
    assert store.reads == 0


async def test_unknown_ids_cost_nothing_and_hide_no_key(store: _Read) -> None:
    clock = StillClock()
    keys = StoredJournalKeys(store, clock)
    made_up = [keys.public_key(os.urandom(KEY_ID_OCTETS)) for _ in range(50)]
    found = await asyncio.gather(*made_up, keys.public_key(key_id_of(THEIRS)))
    assert found == [None] * 50 + [THEIRS]
    assert store.reads == 1
    await introduce_journal_key(store, OURS, cause=EVE)
    assert await keys.public_key(key_id_of(OURS)) is None
    clock.pass_by(KEYS_READ_EVERY_S)
    assert await keys.public_key(key_id_of(OURS)) == OURS
    assert store.reads == 2


async def test_a_store_that_was_away_is_read_again_at_once(store: _Read) -> None:
    keys = StoredJournalKeys(store, StillClock())
    store.away = True
    with pytest.raises(StoreUnavailableError):
        await keys.public_key(key_id_of(THEIRS))
    store.away = False
    assert await keys.public_key(key_id_of(THEIRS)) == THEIRS
