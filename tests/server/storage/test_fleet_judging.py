"""One way of judging keys anew: rules of one's own, days, and in whose hands a key is."""

from datetime import timedelta

import pytest

from server.fleet.advisory_file import shipped
from server.fleet.health import Level
from server.fleet.health_rules import HealthRules, Thresholds, read_rules
from server.fleet.ports import Search
from server.fleet.rejudging import rejudge
from server.fleet.shelf import Shelf
from server.jobs.fleet_judging import FleetJudging
from server.storage.postgres.store import PostgresStore
from server.storage.sqlite.store import SqliteStore
from tests.server.fleet.reports import HEALTHY, HOST, a_key, a_report
from tests.server.still_clock import StillClock
from tests.server.storage.keepers import Keeper
from tests.server.storage.test_fleet_holders import DAY_US, KEY, OTHER, Fleet, enrolled, today

pytestmark = pytest.mark.parametrize("keeper", ["sqlite", "postgres"], indirect=True)

SHIPPED = HealthRules()


async def at_once(_seconds: float) -> None:
    pass


class Judged(Fleet):
    """A fleet with the job that judges it. own: the organisation's rules."""

    async def judge(self, own: HealthRules = SHIPPED, days: int = 0) -> Shelf:
        """Run the job as it would run after so many days."""
        clock, shelf = StillClock(), Shelf(shipped(), own=own)
        clock.us = await self.store.store_time_us() + days * DAY_US
        await FleetJudging(self.store, shelf, clock=clock, rest=at_once).run()
        return shelf

    async def levels(self, rule: str) -> list[Level | None]:
        """Return of what level a key is in which a rule found something."""
        return [level for level in Level if await self.found(rule=rule, level=level)]


@pytest.fixture
async def fleet(keeper: Keeper) -> Judged:
    store = await keeper.open()
    assert isinstance(store, SqliteStore | PostgresStore)
    await store.subscribe("test", from_start=True)
    await enrolled(store, HOST, "laptop-17", "Anna Berg")
    await enrolled(store, OTHER, "laptop-18", "Bo")
    return Judged(store)


async def test_alarms_of_custody_outlive_whatever_judges_the_key(fleet: Judged) -> None:
    await fleet.see(HOST, OTHER)
    assert await fleet.levels("shared") == [Level.WARNING]
    await fleet.judge()
    assert await fleet.levels("shared") == [Level.WARNING]
    await fleet.judge(read_rules({"thresholds": {"tries": 5}}))  # the key is of a worse level now
    assert await fleet.levels("shared") == [Level.DANGER]
    await fleet.see(HOST, tries=1)
    assert await fleet.levels("shared") == [Level.DANGER]
    await fleet.judge(days=400)
    assert KEY in await fleet.found(rule="shared")


async def test_an_alarm_has_the_level_that_the_organisation_wants_or_none(fleet: Judged) -> None:
    await fleet.see(HOST, OTHER)
    await fleet.judge(read_rules({"rules": {"shared": {"level": "notice"}}}))
    assert await fleet.levels("shared") == [Level.NOTICE]
    await fleet.judge(read_rules({"rules": {"shared": {"enabled": False}}}))
    assert await fleet.found(rule="shared") == []
    assert await fleet.found(level=Level.WARNING) == []


async def test_an_alarm_that_began_meanwhile_is_not_judged_away(fleet: Judged) -> None:
    await fleet.see(HOST)
    day, rulebook = await today(fleet.store), Shelf(shipped()).rulebook(await today(fleet.store))
    read = await fleet.store.judged_otherwise(rulebook.stamp, "", 10)
    await fleet.see(OTHER)
    judgements = [rejudge(one, rulebook, day) for one in read]
    kept = await fleet.store.keep_judgements(judgements, stamp=rulebook.stamp, edition=1, today=day)
    assert kept == 0
    assert await fleet.levels("shared") == [Level.WARNING]
    await fleet.judge()
    assert await fleet.levels("shared") == [Level.WARNING]


async def test_an_alarm_that_is_over_leaves_the_rules_of_ones_own(fleet: Judged) -> None:
    own = HealthRules(Thresholds(tries=5))
    await fleet.see(HOST, OTHER)
    await fleet.judge(own)
    assert isinstance(fleet.store, SqliteStore | PostgresStore)
    await fleet.say("Anna Berg", handed_over=True)
    assert await fleet.found(rule="shared") == []
    await fleet.judge(own)
    assert await fleet.levels("piv-pin-tries") == [Level.DANGER]


async def test_a_day_is_judged_by_the_thresholds_that_the_organisation_set(fleet: Judged) -> None:
    day = await today(fleet.store)
    ends = {**HEALTHY, "piv.certificate.9a.expires": (day + timedelta(100)).isoformat()}
    key = a_key(ends, serial=10_000_001, last_seen=day)
    own = HealthRules(Thresholds(certificate_days=60))
    judging = Shelf(shipped(), own=own).rulebook(day).judging
    await fleet.store.take_reports([a_report(key, day=day)], judging)
    await fleet.judge(own)
    await fleet.judge(own, days=39)
    assert await fleet.levels("certificate-ends") == []
    await fleet.judge(own, days=40)
    assert await fleet.levels("certificate-ends") == [Level.WARNING]
    await fleet.judge(own, days=101)
    assert await fleet.levels("certificate-ended") == [Level.DANGER]
    assert await fleet.store.call_due(day + timedelta(4_000), 10) == 0


async def test_a_report_without_news_leaves_the_key_as_it_was_judged(fleet: Judged) -> None:
    await fleet.see(HOST, days_ago=1)
    shelf = await fleet.judge()
    stamp = shelf.rulebook(await today(fleet.store)).stamp
    assert await fleet.store.count_judged_otherwise(stamp) == 0
    await fleet.see(HOST)
    assert await fleet.store.count_judged_otherwise(stamp) == 0
    await fleet.see(HOST, tries=2)
    assert await fleet.store.count_judged_otherwise(stamp) == 1
    (known,) = await fleet.store.fleet_keys(Search(), "", 10)
    assert known.key.facts["piv.pin.tries"].value == 2
