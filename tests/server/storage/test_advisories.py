"""Files of advisories, decisions and judgements in every store."""

import asyncio
from datetime import date, timedelta
from typing import Any

import pytest

from server.facts import NewFact
from server.fleet.absorbing import as_report
from server.fleet.advisory_file import read_document, shipped
from server.fleet.advisory_ports import Judgement, OvertakenError
from server.fleet.criterion import CRITERION, in_force
from server.fleet.enrolment import Asked, digest_of
from server.fleet.exposure import Affected, Exposed
from server.fleet.health import Level
from server.fleet.health_rules import HealthRules, read_rules
from server.fleet.ports import Search
from server.fleet.rejudging import rejudge
from server.fleet.rulebook import Hit, Rulebook
from server.fleet.shelf import Shelf
from server.jobs.fleet_judging import FleetJudging
from server.journal.acts import Cause
from server.journal.ports import ALL
from server.leases import LeaseLostError
from server.storage.books.fleet_rows import day_of
from tests.server.acts import ACT, CAUSE
from tests.server.fleet.advisory_files import PUBLIC, advisory, document, signed
from tests.server.fleet.reports import HEALTHY, HOST, a_key, a_report
from tests.server.storage.keepers import Keeper, Store

OLD = {
    **HEALTHY,
    "device.firmware": "5.4.3",
    "device.fips_series": False,
    "device.security_key_series": False,
    "device.nfc.supported": (),
    "device.usb.enabled": ("fido2", "piv"),
}
TEXT = signed(document())


async def add(store: Store, edition: int, after: int) -> object:
    return await store.add_advisory_file(
        TEXT, edition=edition, key_id=b"12345678", digest="ab", after=after, act=ACT
    )


async def fill_advisories(store: Store) -> None:
    """Have something in every table of advisories."""
    await add(store, 7, 0)
    await store.add_decision("YSA-2024-03", critical=True, edition=7, criterion=CRITERION, act=ACT)


async def told(store: Store, kind: str) -> list[NewFact]:
    await store.subscribe("test", from_start=True)
    return [one.fact for one in await store.unread_facts("test", 100) if one.fact.kind == kind]


async def today(store: Store) -> date:
    return day_of(await store.store_time_us())


async def with_keys(store: Store, *serials: int, facts: Any = OLD) -> None:  # noqa: ANN401
    digest = digest_of("token")
    await store.add_enrolment_token("laptop", digest, lifetime_us=10**12, replaces=False, act=ACT)
    await store.enrol(Asked("token", HOST, "laptop", bytes(32), "linux", "0.1.0"))
    day = await today(store)
    for number, serial in enumerate(serials, 1):
        report = a_report(a_key(facts, serial=serial, last_seen=day), sequence=number, day=day)
        await store.take_reports([report])


def book(day: date, own: HealthRules | None = None, **changes: object) -> Rulebook:
    file = read_document(document(**changes)) if changes else shipped()
    return Rulebook(file, own or HealthRules(), day)


async def judge(store: Store, rulebook: Rulebook, day: date) -> int:
    page = await store.judged_otherwise(rulebook.stamp, "", 100)
    found = [rejudge(one, rulebook, day) for one in page]
    return await store.keep_judgements(found, stamp=rulebook.stamp, edition=7, today=day)


async def test_files_are_added_in_order_and_come_back_whole(store: Store) -> None:
    first = await add(store, 7, 0)
    second = await add(store, 9, 1)
    assert await store.advisory_files(0) == [first, second]
    assert await store.advisory_files(1) == [second]
    assert await store.advisory_text(2) == TEXT
    with pytest.raises(LookupError):
        await store.advisory_text(3)
    entries = [one.deed for one in await store.journal_entries(0, 100, ALL)]
    loaded = [deed for deed in entries if deed.subject.kind == "advisories"]
    assert [deed.after for deed in loaded] == [
        {"edition": edition, "key": b"12345678".hex(), "digest": "ab"} for edition in (7, 9)
    ]
    assert len(await told(store, "fleet.advisories-loaded")) == 2


async def test_of_two_who_load_at_once_one_is_told_to_look_again(store: Store) -> None:
    outcomes = await asyncio.gather(add(store, 7, 0), add(store, 8, 0), return_exceptions=True)
    assert [type(one) for one in outcomes].count(OvertakenError) == 1
    assert len(await store.advisory_files(0)) == 1


async def test_decisions_are_added_with_who_and_why_and_never_changed(store: Store) -> None:
    async def decide(*, critical: bool) -> None:
        await store.add_decision(
            "YSA-2024-03", critical=critical, edition=7, criterion=CRITERION, act=ACT
        )

    await decide(critical=True)
    (made,) = await store.decisions()
    assert (made.advisory_id, made.edition, made.critical) == ("YSA-2024-03", 7, True)
    assert (made.by, made.reason, made.criterion) == ("system test", "a test", CRITERION)
    assert made.at_us == pytest.approx(await store.store_time_us(), abs=10**9)
    with pytest.raises(OvertakenError):
        await decide(critical=True)
    await decide(critical=False)
    with pytest.raises(OvertakenError):
        await decide(critical=False)
    await decide(critical=True)
    found = await store.decisions()
    assert [one.critical for one in found] == [True, False, True]
    assert found[0] == made
    assert in_force(found)["YSA-2024-03"].number == 3
    assert in_force(found[:2]) == {}
    entries = [one.deed for one in await store.journal_entries(0, 100, ALL)]
    decided = [deed.after for deed in entries if deed.subject.kind == "advisory"]
    assert decided == [
        {"decision": number, "critical": critical, "edition": 7}
        for number, critical in ((1, True), (2, False), (3, True))
    ]
    assert len(await told(store, "fleet.advisory-decided")) == 3


async def test_keys_are_judged_once_under_each_rulebook(store: Store) -> None:
    await with_keys(store, 1, 2, 3)
    day = await today(store)
    first = book(day)
    assert await store.count_judged_otherwise(first.stamp) == 3
    page = await store.judged_otherwise(first.stamp, "", 2)
    assert [one.key.key_id for one in page] == ["serial:1", "serial:2"]
    rest = await store.judged_otherwise(first.stamp, "serial:2", 2)
    assert [one.key.key_id for one in rest] == ["serial:3"]
    assert await judge(store, first, day) == 3
    assert await store.judged_otherwise(first.stamp, "", 10) == []
    assert await store.count_judged_otherwise(first.stamp) == 0
    second = book(day, read_rules({"thresholds": {"tries": 5}}))
    (one, *_) = await store.judged_otherwise(second.stamp, "", 10)
    assert one.hits["YSA-2024-03"] == Hit(Affected.YES, Exposed.YES)
    assert as_report(one.key).facts["device.firmware"] == "5.4.3"


async def test_facts_tell_what_a_key_became_and_nothing_twice(store: Store) -> None:
    await with_keys(store, 1)
    day = await today(store)
    assert await judge(store, book(day), day) == 1
    exposed = await told(store, "fleet.key-exposed")
    assert [(fact.subject, fact.detail["advisory"]) for fact in exposed] == [
        ("serial:1", "YSA-2024-03")
    ]
    assert exposed[0].detail == {
        "advisory": "YSA-2024-03",
        "edition": 7,
        "affected": "affected",
        "exposed": "exposed",
    }
    affected = {fact.detail["advisory"] for fact in await told(store, "fleet.key-affected")}
    assert affected == {"YSA-2024-02", "YSA-2025-02"}
    await judge(store, book(day, read_rules({"thresholds": {"tries": 5}})), day)
    assert len(await told(store, "fleet.key-exposed")) == 1
    new = book(day, advisories=[advisory(), advisory(id="YSA-2099-02", condition="not-readable")])
    await judge(store, new, day)
    assert [fact.detail["advisory"] for fact in await told(store, "fleet.key-exposed")] == [
        "YSA-2024-03",
        "YSA-2099-01",
    ]
    assert len(await told(store, "fleet.key-affected")) == 3


async def test_a_key_that_changed_meanwhile_is_left_for_another_round(store: Store) -> None:
    await with_keys(store, 1, 2)
    day = await today(store)
    rulebook = book(day)
    page = await store.judged_otherwise(rulebook.stamp, "", 10)
    found = [rejudge(one, rulebook, day) for one in page]
    changed = a_key({**OLD, "piv.pin.tries": 1}, serial=1, last_seen=day)
    await store.take_reports([a_report(changed, sequence=9, day=day)])
    kept = await store.keep_judgements(found, stamp=rulebook.stamp, edition=7, today=day)
    assert kept == 1
    (left,) = await store.judged_otherwise(rulebook.stamp, "", 10)
    assert left.key.facts["piv.pin.tries"].value == 1


async def test_a_key_that_is_gone_is_not_judged(store: Store) -> None:
    await with_keys(store, 1)
    day = await today(store)
    absent = Judgement("serial:9", "", Level.DANGER, ("disputed",), "", None, {}, {})
    assert await store.keep_judgements([absent], stamp="x", edition=1, today=day) == 0


# Searching by rules, and leases, are the real stores' affair.
sql_alone = pytest.mark.parametrize("keeper", ["sqlite", "postgres"], indirect=True)


@sql_alone
async def test_a_report_that_changes_a_key_has_advisories_asked_about_it_anew(
    store: Store,
) -> None:
    await with_keys(store, 1, 2)
    day = await today(store)
    rulebook = book(day)
    await judge(store, rulebook, day)
    judging = rulebook.judging
    same, other = (a_key(OLD, serial=1, last_seen=day), a_key(OLD, serial=2, last_seen=day))
    # Read again, but for a reason beside a fact: it is news, and no fact is another one.
    same = same._replace(unreadable={"openpgp": "in-use"})
    other = other._replace(facts={**OLD, "device.usb.enabled": ("piv",)})
    await store.take_reports([a_report(same, other, sequence=9, day=day)], judging)
    (left,) = await store.judged_otherwise(rulebook.stamp, "", 10)
    assert left.key.key_id == "serial:2"
    assert left.hits["YSA-2024-03"].exposed is Exposed.YES
    # Who judges by another rulebook leaves it to whoever judges anew.
    await store.take_reports([a_report(same._replace(unreadable={}), sequence=10, day=day)])
    assert await store.count_judged_otherwise(rulebook.stamp) == 2


@sql_alone
async def test_keys_are_found_by_the_rules_they_were_judged_by_last(store: Store) -> None:
    await with_keys(store, 1, 2)
    day = await today(store)
    mine = {
        "fact": "device.usb.enabled",
        "operator": "contains",
        "value": "piv",
        "level": "danger",
        "words": "PIV is on",
    }
    assert await store.fleet_keys(Search(rule="own-mine"), "", 10) == []
    await judge(store, book(day, read_rules({"own": {"mine": mine}})), day)
    assert len(await store.fleet_keys(Search(rule="own-mine", level=Level.DANGER), "", 10)) == 2
    await judge(store, book(day), day)
    assert await store.fleet_keys(Search(rule="own-mine"), "", 10) == []
    assert await store.fleet_keys(Search(level=Level.DANGER), "", 10) == []


@sql_alone
async def test_nothing_is_judged_under_a_lease_that_ended(store: Store, keeper: Keeper) -> None:
    await with_keys(store, 1)
    day = await today(store)
    lease = await store.acquire_lease("fleet-judging", "one", 10_000_000)
    await keeper.hours_pass()
    rulebook = book(day)
    (key,) = await store.judged_otherwise(rulebook.stamp, "", 10)
    with pytest.raises(LeaseLostError):
        await store.keep_judgements(
            [rejudge(key, rulebook, day)], stamp=rulebook.stamp, edition=7, today=day, lease=lease
        )
    assert await store.count_judged_otherwise(rulebook.stamp) == 1


async def test_the_job_judges_all_keys_in_small_steps_by_the_file_that_was_loaded(
    store: Store, keeper: Keeper
) -> None:
    await with_keys(store, *range(1, 8))
    shelf = Shelf(shipped(), trusted=[PUBLIC])
    rests: list[float] = []

    async def rest(seconds: float) -> None:
        rests.append(seconds)

    job = FleetJudging(store, shelf, clock=keeper.clock, rest=rest, batch=3)
    await job.run()
    assert len(await told(store, "fleet.key-exposed")) == 7
    assert len([one for one in rests if one]) == 3
    await job.run()
    assert len([one for one in rests if one]) == 3
    # Another process loads a file; this one finds it.
    other = Shelf(shipped(), trusted=[PUBLIC])
    await other.load(signed(document()), store, cause=CAUSE)
    await job.run()
    assert shelf.file.edition == 7
    exposed = [fact.detail["advisory"] for fact in await told(store, "fleet.key-exposed")]
    assert exposed.count("YSA-2099-01") == 7
    assert job.job.name == "fleet-judging"


async def test_a_day_that_ends_a_product_is_seen_at_keys_that_nobody_reports(
    store: Store,
) -> None:
    fips = {**OLD, "device.fips_series": True}
    await with_keys(store, 1, facts=fips)
    tomorrow = await today(store) + timedelta(1)
    stage = {
        "line": "YubiKey 5 FIPS",
        "firmware": "5.4",
        "rule": "end-of-life",
        "text": "No support any more",
        "day": tomorrow.isoformat(),
        "source": "example.org",
    }
    shelf = Shelf(shipped(), trusted=[PUBLIC])
    await shelf.load(signed(document(lifecycle=[stage])), store, cause=Cause(ACT.actor))
    now = await today(store)
    assert await judge(store, shelf.rulebook(now), now) == 1
    assert await judge(store, shelf.rulebook(now), now) == 0
    assert await judge(store, shelf.rulebook(tomorrow), tomorrow) == 1
    (key,) = await store.fleet_keys(Search(), "", 10)
    found = shelf.rulebook(tomorrow).judge(as_report(key.key), tomorrow).faults
    assert "end-of-life" in {fault.rule.name for fault in found}
