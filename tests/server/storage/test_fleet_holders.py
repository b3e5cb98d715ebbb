"""The registry of holders in every store: who holds what, alarms that begin and end, claims."""

import asyncio
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import pytest

from server.facts import NewFact
from server.fleet.claiming import AskedClaim
from server.fleet.enrolment import Asked, digest_of
from server.fleet.health import Level
from server.fleet.holder_ports import Entrusting, HolderSearch, Imported
from server.fleet.holders import Holder, HolderKind, KeyName, name_of_serial
from server.fleet.ports import FleetKey, Search
from server.fleet.receipt import Receipt
from server.journal.ports import ALL
from server.storage.books.fleet_rows import day_of
from tests.server.acts import ACT
from tests.server.fleet.reports import HEALTHY, HOST, a_key, a_report
from tests.server.storage.keepers import Keeper, PostgresKeeper, Store

OTHER, THIRD = "1e" * 16, "2d" * 16
KEY = "serial:10000001"
DAY_US = 86_400_000_000
PRIMARY, SPARE, LOST = HolderKind
EVERYTHING = HolderSearch()


async def enrolled(
    store: Store, host_id: str, name: str, person: str = "", *, replaces: bool = False
) -> None:
    token = f"token of {host_id}"
    await store.add_enrolment_token(
        name, digest_of(token), lifetime_us=DAY_US, replaces=replaces, act=ACT
    )
    await store.enrol(Asked(token, host_id, name, bytes.fromhex(host_id) * 2, "linux", "0.1.0"))
    if person:
        assert await store.assign_host(host_id, person, act=ACT) is not None


async def today(store: Store) -> date:
    return day_of(await store.store_time_us())


class Fleet:
    """A store with hosts that see one key, and what it told."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._sequences: dict[str, int] = {}

    async def see(
        self, *hosts: str, days_ago: int = 0, serial: int = 10_000_001, tries: int = 3
    ) -> None:
        day = await today(self.store)
        seen = day - timedelta(days_ago)
        key = a_key({**HEALTHY, "piv.pin.tries": tries}, serial=serial, last_seen=seen)
        reports = []
        for host in hosts:
            self._sequences[host] = self._sequences.get(host, 0) + 1
            number = self._sequences[host]
            reports.append(a_report(key, host=host, sequence=number, day=day))
        assert set(await self.store.take_reports(reports)) == {Receipt.NEW}

    async def found(self, **search: object) -> list[str]:
        page = await self.store.fleet_keys(Search(**search), "", 100)  # type: ignore[arg-type] # names
        return [one.key.key_id for one in page]

    async def key(self) -> FleetKey:
        found = await self.store.fleet_key(KEY)
        assert found is not None
        return found

    async def told(self) -> list[NewFact]:
        facts = [one.fact for one in await self.store.unread_facts("test", 1000)]
        return [one for one in facts if one.kind in {"fleet.key-shared", "fleet.lost-key-seen"}]

    async def say(
        self,
        person: str,
        kind: HolderKind = PRIMARY,
        key: str = KEY,
        **more: Any,  # noqa: ANN401
    ) -> Holder:
        wanted = Entrusting(KeyName(key), person, kind, **more)
        return (await self.store.entrust(wanted, act=ACT)).holder


@pytest.fixture
async def fleet(store: Store) -> Fleet:
    """Return a fleet with a host of Anna's and one of Bo's."""
    await store.subscribe("test", from_start=True)
    await enrolled(store, HOST, "laptop-17", "Anna Berg")
    await enrolled(store, OTHER, "laptop-18", "Bo")
    return Fleet(store)


async def fill_holders(store: Store) -> None:
    """Have something in every table of the registry: a host that is enrolled saw the key."""
    fleet = Fleet(store)
    await store.assign_host(HOST, "Anna Berg", act=ACT)
    await enrolled(store, THIRD, "laptop-19", "Cy")
    await fleet.see(THIRD)
    assert await fleet.found(rule="shared") == [KEY]
    await fleet.say("Anna Berg")
    await store.take_claim(a_claim())


async def holders(store: Store, **search: object) -> list[tuple[str, str, HolderKind]]:
    found = await store.fleet_holders(HolderSearch(**search), "", 100)  # type: ignore[arg-type] # names
    return [(one.holder.key_id, one.holder.person, one.holder.kind) for one in found]


async def test_a_key_has_a_holder_before_anybody_saw_it_and_after(fleet: Fleet) -> None:
    await fleet.say("Anna Berg", SPARE)
    (ahead,) = await fleet.store.fleet_holders(EVERYTHING, "", 10)
    assert ahead.last_seen == ""
    await fleet.see(HOST)
    (seen,) = await fleet.store.fleet_holders(EVERYTHING, "", 10)
    assert seen.last_seen == (await today(fleet.store)).isoformat()
    custody = (await fleet.key()).custody
    assert custody.holder == Holder(KEY, "Anna Berg", SPARE)
    assert [one.person for one in (await fleet.key()).sightings] == ["Anna Berg"]
    assert await fleet.store.release(KEY, act=ACT) == custody.holder
    assert await fleet.store.release(KEY, act=ACT) is None
    assert (await fleet.key()).custody.holder is None


async def test_holders_are_found_by_person_kind_and_key(fleet: Fleet) -> None:
    await fleet.say("Anna Berg", PRIMARY, "serial:1")
    await fleet.say("Anna Berg", LOST, "serial:2")
    await fleet.say("Bo", SPARE, "serial:3")
    store = fleet.store
    assert [one[0] for one in await holders(store, person="ANNA  berg")] == ["serial:1", "serial:2"]
    assert [one[0] for one in await holders(store, kind=SPARE)] == ["serial:3"]
    assert [one[0] for one in await holders(store, ids=("serial:2", "serial:9"))] == ["serial:2"]
    page = await store.fleet_holders(EVERYTHING, "serial:1", 1)
    assert [one.holder.key_id for one in page] == ["serial:2"]


async def test_a_key_that_hosts_of_two_persons_saw_raises_one_alarm(fleet: Fleet) -> None:
    await fleet.see(HOST)
    assert await fleet.found(rule="shared") == []
    await fleet.see(OTHER)
    assert await fleet.found(rule="shared") == [KEY]
    assert (await fleet.key()).custody.shared == ("Anna Berg", "Bo")
    (fact,) = await fleet.told()
    assert (fact.kind, fact.subject, fact.detail["host"]) == ("fleet.key-shared", KEY, OTHER)
    await fleet.see(HOST, OTHER)
    await fleet.see(HOST, tries=2)
    assert await fleet.found(rule="shared") == [KEY]
    assert len(await fleet.told()) == 1
    await enrolled(fleet.store, THIRD, "laptop-19", "Cy")
    await fleet.see(THIRD)
    assert len(await fleet.told()) == 2


async def test_hosts_of_one_person_and_hosts_of_nobody_share_nothing(fleet: Fleet) -> None:
    await fleet.store.assign_host(OTHER, "anna  BERG", act=ACT)
    await enrolled(fleet.store, THIRD, "laptop-19")
    await fleet.see(HOST, OTHER, THIRD)
    # The host was Bo's until today: what it saw today tells nothing of Anna, either.
    assert await fleet.found(rule="shared") == []
    assert await fleet.told() == []


async def test_a_host_that_is_somebodys_from_now_on_bears_on_what_it_saw_before(
    fleet: Fleet,
) -> None:
    await enrolled(fleet.store, THIRD, "laptop-19")
    await fleet.see(HOST, THIRD)
    assert await fleet.found(rule="shared") == []
    await fleet.store.assign_host(THIRD, "Cy", act=ACT)
    assert await fleet.found(rule="shared") == [KEY]
    assert len(await fleet.told()) == 1


@pytest.mark.parametrize("end", ["handed-over", "another-person", "reassigned", "erased"])
async def test_an_alarm_ends_with_its_reason(fleet: Fleet, end: str) -> None:
    await fleet.see(HOST, OTHER)
    assert await fleet.found(rule="shared") == [KEY]
    match end:
        case "handed-over":
            await fleet.say("Bo", handed_over=True)
        case "another-person":
            await fleet.say("Anna Berg")
            assert await fleet.found(rule="shared") == [KEY]
            await fleet.say("Bo")
        case "reassigned":
            await fleet.store.assign_host(OTHER, "", act=ACT)
        case _:
            await fleet.store.erase_host(OTHER, act=ACT)
    assert await fleet.found(rule="shared") == []
    assert (await fleet.key()).custody.shared == ()
    assert len(await fleet.told()) <= 1  # what was told of an erased host is taken back


async def test_a_lost_key_that_comes_back_is_a_danger_until_it_is_found(fleet: Fleet) -> None:
    await fleet.see(HOST)
    await fleet.say("Anna Berg", LOST)
    await fleet.see(HOST)
    assert await fleet.found(rule="lost-key-seen") == []  # perhaps it was here before
    await fleet.see(OTHER)
    assert await fleet.found(rule="lost-key-seen") == [KEY]
    assert (await fleet.key()).custody.lost_seen == (OTHER,)
    lost = [one for one in await fleet.told() if one.kind == "fleet.lost-key-seen"]
    assert [(one.subject, one.detail) for one in lost] == [(KEY, {"host": OTHER})]
    await fleet.see(OTHER, tries=2)
    assert await fleet.found(rule="lost-key-seen") == [KEY]
    await fleet.say("Anna Berg", PRIMARY)
    assert await fleet.found(rule="lost-key-seen") == []
    assert (await fleet.key()).custody.lost_seen == ()


# PostgreSQL's clock cannot be moved; both ways of taking a report are the same there.
@pytest.mark.parametrize("keeper", ["memory", "sqlite"], indirect=True)
async def test_what_is_said_again_on_a_later_day_may_be_an_alarm(
    fleet: Fleet, keeper: Keeper
) -> None:
    await fleet.see(HOST)
    await fleet.see(OTHER)
    await fleet.say("Anna Berg", LOST, handed_over=True)
    assert await fleet.found(rule="shared") == []
    keeper.clock.pass_by(86_400)
    await fleet.see(HOST)
    await fleet.see(HOST)
    assert await fleet.found(rule="lost-key-seen") == [KEY]
    assert await fleet.found(rule="shared") == []
    await fleet.see(OTHER)
    assert await fleet.found(rule="shared") == [KEY]
    assert (await fleet.key()).custody.lost_seen == (HOST, OTHER)


async def test_what_was_seen_before_the_loss_is_no_news(fleet: Fleet) -> None:
    await fleet.say("Anna Berg", LOST)
    await fleet.see(OTHER, days_ago=3)
    assert await fleet.found(rule="lost-key-seen") == []


async def test_a_machine_set_up_anew_is_whose_it_was(fleet: Fleet) -> None:
    await enrolled(fleet.store, THIRD, "LAPTOP-17", replaces=True)
    host = await fleet.store.fleet_host(THIRD)
    assert host is not None
    assert host.person == "Anna Berg"
    await fleet.see(OTHER, THIRD)
    assert await fleet.found(rule="shared") == [KEY]
    assert await fleet.store.assign_host("ab" * 16, "Bo", act=ACT) is None
    await fleet.store.erase_host(OTHER, act=ACT)
    assert await fleet.store.assign_host(OTHER, "Bo", act=ACT) is None


async def test_what_was_said_of_an_earlier_enrolment_can_be_mended(fleet: Fleet) -> None:
    await fleet.see(HOST)
    await enrolled(fleet.store, THIRD, "laptop-17", replaces=True)
    await fleet.see(OTHER)
    assert await fleet.found(rule="shared") == [KEY]
    assert await fleet.store.assign_host(HOST, "Bo", act=ACT) is not None
    assert await fleet.found(rule="shared") == []


async def imported(
    store: Store, *rows: Sequence[Any], dry_run: bool = False, plain: bool = True
) -> Imported:
    named = [
        Entrusting(name_of_serial(serial, bytes(32), plain=plain), person, kind)
        for serial, person, kind in rows
    ]
    return await store.import_holders(named, dry_run=dry_run, act=ACT)


async def test_an_import_does_what_its_dry_run_said_and_nothing_the_second_time(
    fleet: Fleet,
) -> None:
    store = fleet.store
    await fleet.say("Bo", SPARE, "serial:2")
    rows = [(1, "Anna Berg", PRIMARY), (2, "Bo", PRIMARY)]
    end = await store.journal_end()
    assert await imported(store, *rows, dry_run=True) == Imported(1, 1, 0)
    assert await holders(store) == [("serial:2", "Bo", SPARE)]
    assert await store.journal_end() == end
    assert await imported(store, *rows) == Imported(1, 1, 0)
    assert await imported(store, *rows) == Imported(0, 0, 2)
    assert await holders(store) == [("serial:1", "Anna Berg", PRIMARY), ("serial:2", "Bo", PRIMARY)]
    entries = await store.journal_entries(end.sequence, 100, ALL)
    assert len(entries) == 1
    assert "Anna" not in str(entries)


async def test_an_import_ends_and_begins_alarms(fleet: Fleet) -> None:
    await fleet.see(HOST, OTHER)
    await imported(fleet.store, (10_000_001, "Anna Berg", LOST))
    assert await fleet.found(rule="shared") == [KEY]
    await imported(fleet.store, (10_000_001, "Bo", PRIMARY))
    assert await fleet.found(rule="shared") == []


async def test_a_number_finds_a_key_that_has_the_other_name(fleet: Fleet) -> None:
    await fleet.see(HOST)
    done = await imported(fleet.store, (10_000_001, "Bo", SPARE), (5, "Bo", SPARE), plain=False)
    assert done == Imported(2, 0, 0)
    ids = [one[0] for one in await holders(fleet.store)]
    assert KEY in ids
    assert [one.startswith("hash:") for one in ids] == [True, False]


def a_claim(number: int = 1, claim_id: str = "", **more: Any) -> AskedClaim:  # noqa: ANN401
    said = AskedClaim(
        claim_id or f"{number:032x}", HOST, number, date(2026, 1, 1), KEY, "Anna Berg", SPARE
    )
    return said._replace(**more)


async def test_a_claim_stands_beside_the_registry_until_somebody_accepts_it(fleet: Fleet) -> None:
    store = fleet.store
    await fleet.see(HOST)
    await fleet.say("Bo")
    assert await store.take_claim(a_claim()) is Receipt.NEW
    assert await store.take_claim(a_claim()) is Receipt.AGAIN
    custody = (await fleet.key()).custody
    assert custody.holder is not None
    assert custody.holder.person == "Bo"
    assert [(one.person, one.kind, one.host_id) for one in custody.claims] == [
        ("Anna Berg", SPARE, HOST)
    ]
    held = await store.accept_claim(KEY, HOST, act=ACT)
    assert held is not None
    assert (held.holder.person, held.holder.kind, held.claims) == ("Anna Berg", SPARE, ())
    assert await store.accept_claim(KEY, HOST, act=ACT) is None
    assert await store.take_claim(a_claim()) is Receipt.AGAIN
    assert await store.fleet_claims(None, "", 10) == []


async def test_a_newer_claim_takes_the_place_of_an_older_one_and_not_the_reverse(
    fleet: Fleet,
) -> None:
    store = fleet.store
    assert await store.take_claim(a_claim(5)) is Receipt.NEW
    assert await store.take_claim(a_claim(4)) is Receipt.CLASH
    assert await store.take_claim(a_claim(6, kind=LOST)) is Receipt.NEW
    assert await store.take_claim(a_claim(7, f"{6:032x}", key_id="serial:2")) is Receipt.CLASH
    (claim,) = await store.fleet_claims(None, "", 10)
    assert (claim.number, claim.kind) == (6, LOST)
    assert await store.fleet_claims(("serial:9",), "", 10) == []
    assert await store.fleet_claims((KEY,), "", 10) == [claim]
    assert await store.dismiss_claim(KEY, HOST, act=ACT) == claim
    assert await store.dismiss_claim(KEY, HOST, act=ACT) is None
    assert await store.fleet_claims(None, "", 10) == []


async def test_a_claim_that_nobody_looked_at_is_not_accepted_in_the_place_of_another(
    fleet: Fleet,
) -> None:
    store = fleet.store
    await store.take_claim(a_claim(1, person="Anna Berg"))
    (seen,) = await store.fleet_claims(None, "", 10)
    await store.take_claim(a_claim(2, person="Mallory"))
    assert await store.accept_claim(KEY, HOST, act=ACT, claim_id=seen.claim_id) is None
    assert await store.dismiss_claim(KEY, HOST, act=ACT, claim_id=seen.claim_id) is None
    assert await holders(store) == []
    (changed,) = await store.fleet_claims(None, "", 10)
    held = await store.accept_claim(KEY, HOST, act=ACT, claim_id=changed.claim_id)
    assert held is not None
    assert held.holder.person == "Mallory"


async def test_a_host_claims_something_of_so_many_keys_and_no_more(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.fleet.claiming.MAX_CLAIMS_OF_HOST", 2)
    store = fleet.store
    for number in (1, 2):
        claim = a_claim(number, key_id=f"serial:{number}")
        assert await store.take_claim(claim) is Receipt.NEW
    assert await store.take_claim(a_claim(3)) is Receipt.FULL
    assert await store.take_claim(a_claim(4, key_id="serial:1")) is Receipt.NEW


async def test_a_forgotten_host_takes_its_claims_along_and_leaves_the_registry(
    fleet: Fleet,
) -> None:
    await fleet.see(HOST)
    await fleet.say("Anna Berg")
    await fleet.store.take_claim(a_claim())
    await fleet.store.erase_host(HOST, act=ACT)
    assert await fleet.store.fleet_claims(None, "", 10) == []
    (held,) = await fleet.store.fleet_holders(EVERYTHING, "", 10)
    assert (held.holder.person, held.last_seen) == ("Anna Berg", "")
    assert await fleet.store.take_claim(a_claim(2)) is Receipt.ERASED
    assert await fleet.store.take_claim(a_claim(2, host_id="ab" * 16)) is Receipt.UNKNOWN_HOST
    erased = await fleet.store.fleet_host(HOST)
    assert erased is not None
    assert erased.person == ""


async def test_a_forgotten_person_is_named_nowhere(fleet: Fleet) -> None:
    store = fleet.store
    await fleet.see(HOST, OTHER)
    await fleet.say("Anna Berg")
    await store.take_claim(a_claim())
    await store.take_claim(a_claim(2, key_id="serial:2", person="Cy"))
    gone = await store.forget_person("anna  BERG", act=ACT)
    assert gone == (1, 1, 1)
    assert await fleet.found(rule="shared") == []
    assert await holders(store) == []
    assert [one.person for one in await store.fleet_claims(None, "", 10)] == ["Cy"]
    seen = str(await fleet.key())
    assert "nna" not in seen
    entries = str(await store.journal_entries(0, 100, ALL))
    facts = str(await store.unread_facts("test", 100))
    assert "nna" not in entries + facts


async def test_who_gets_the_host_of_a_forgotten_person_is_not_blamed_for_what_it_saw(
    fleet: Fleet,
) -> None:
    await fleet.see(HOST)
    await fleet.see(OTHER)
    await fleet.store.forget_person("Anna Berg", act=ACT)
    assert await fleet.found(rule="shared") == []
    before = await fleet.told()
    await fleet.store.assign_host(HOST, "Cy", act=ACT)
    assert await fleet.found(rule="shared") == []
    assert await fleet.told() == before


@pytest.mark.parametrize("keeper", ["sqlite", "postgres"], indirect=True)
async def test_alarms_count_in_the_level_of_a_key_while_they_last(
    fleet: Fleet, keeper: Keeper
) -> None:
    assert keeper is not None
    await fleet.see(HOST, OTHER)
    assert await fleet.found(level=Level.WARNING) == [KEY]
    await fleet.say("Cy", LOST, handed_over=True)
    assert await fleet.found(level=Level.WARNING) == []
    await enrolled(fleet.store, THIRD, "laptop-19")
    await fleet.see(THIRD)
    assert await fleet.found(level=Level.DANGER) == [KEY]
    await fleet.see(THIRD, tries=2)
    assert await fleet.found(level=Level.DANGER) == [KEY]
    await fleet.say("Cy", PRIMARY)
    assert await fleet.found(level=Level.DANGER) == []
    assert await fleet.found(level=Level.WARNING) == []
    await fleet.see(OTHER, tries=1)
    assert await fleet.found(level=Level.DANGER) == [KEY]


async def test_two_machines_that_import_at_once_wait_for_each_other(
    postgres: PostgresKeeper,
) -> None:
    one, other = await postgres.open(), await postgres.open()
    rows = [(serial, "Anna Berg", PRIMARY) for serial in range(1, 40)]
    done = await asyncio.gather(imported(one, *rows), imported(other, *rows))
    assert sorted(done) == [Imported(0, 0, 39), Imported(39, 0, 0)]
