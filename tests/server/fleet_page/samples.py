"""Pages for tests without a store: whatever hosts said, laid out and written."""

from collections.abc import Mapping
from datetime import date

from agent.report import Value
from server.fleet.absorbing import KnownKey, as_report
from server.fleet.advisory_desk import HitHost
from server.fleet.advisory_file import shipped
from server.fleet.census import CensusCount
from server.fleet.census_taker import Taken
from server.fleet.claims import Claim, KnownFact
from server.fleet.counting import Counts
from server.fleet.criterion import CRITERION, Decision
from server.fleet.custody import Custody
from server.fleet.desk import HitKey
from server.fleet.exposure import judge
from server.fleet.health import RULES, Level, judge_health
from server.fleet.health_rules import HealthRules
from server.fleet.holder_ports import HeldKey
from server.fleet.holders import Holder, HolderClaim, HolderKind
from server.fleet.host_software import Concern, SoftwareHit
from server.fleet.hosts import Host, HostState
from server.fleet.observed import key_facts
from server.fleet.paging import Page, Place
from server.fleet.ports import FleetKey, NotedChange, Sighting
from server.fleet.rulebook import Rulebook
from server.fleet.trouble import Trouble
from server.fleet.trust import Trust
from server.fleet.view import Hits, NamedRule, Numbers
from server.fleet_page import (
    advisory,
    document,
    holders,
    hosts,
    key,
    keys,
    overview,
    places,
    software,
)
from server.fleet_page.document import Frame
from server.fleet_page.places import HitFilter, HolderFilter, HostFilter, KeyFilter
from tests.server.fleet.reports import HOST
from tests.server.fleet_page.fleets import OLD, OTHER
from tests.server.still_clock import NOW_US

TODAY = date(2026, 11, 21)
ADVISORIES = shipped().advisories
TITLES = {rule.name: NamedRule(rule.title, rule.level) for rule in RULES}
NO_FAULT = {"field": "", "text": ""}
FRAME = Frame("Keys", "keys", "ann")


def a_fleet_key(
    facts: Mapping[str, Value] = OLD,
    unreadable: Mapping[str, str] | None = None,
    *,
    host: str = "laptop-17",
    against: Value | None = None,
    trust: Trust = Trust.HOST_SIGNED,
    key_id: str = "serial:16234567",
) -> FleetKey:
    """Return a key that two hosts of this name saw. against: what one says of the firmware."""
    known = {name: KnownFact(value, TODAY, HOST, (), trust) for name, value in facts.items()}
    if against is not None:
        firmware = known["device.firmware"]
        known["device.firmware"] = firmware._replace(others=(Claim(against, TODAY, OTHER),))
    day = TODAY.isoformat()
    return FleetKey(
        KnownKey(key_id, 16234567, known, unreadable or {}, TODAY, TODAY),
        [Sighting(HOST, host, day, day, True, host), Sighting(OTHER, host, day, day, None)],
        custody_of(key_id, host),
    )


def custody_of(key_id: str, person: str) -> Custody:
    """Return that a person holds a key, and that a host's user claims it, too."""
    day = TODAY.isoformat()
    return Custody(
        Holder(key_id, person, HolderKind.LOST, lost=day),
        (HolderClaim(key_id, OTHER, "ab" * 16, 1, day, person, HolderKind.SPARE),),
        (person, "Bo Ek"),
    )


def holders_html(
    person: str = "Anna Berg",
    filters: HolderFilter = HolderFilter(),  # noqa: B008 - a value
) -> bytes:
    """Return a page of holders."""
    custody = custody_of("serial:16234567", person)
    assert custody.holder is not None
    spare = Holder("hash:" + "ab" * 32, person, HolderKind.SPARE)
    listed = [
        HeldKey(custody.holder, TODAY.isoformat(), custody.claims),
        HeldKey(spare, "", ()),
    ]
    page = holders.lay_out(Page(listed, earlier=True, later=True), filters, Place("serial:1"))
    frame = Frame("Holders", "holders", "ann")
    return document.write("holders", frame, page=page, filters=filters, fault=NO_FAULT)


def a_change(fact: str = "piv.pin.tries", before: Value = 3, after: Value = 1) -> NotedChange:
    """Return a change."""
    return NotedChange(1, NOW_US, HOST, fact, before, after)


def key_html(known: FleetKey, *changes: NotedChange) -> bytes:
    """Return the page of a key."""
    report = as_report(known.key)
    exposures = [(one, judge(one, key_facts(report))) for one in ADVISORIES]
    life = Rulebook(shipped(), HealthRules(), TODAY).life(key_facts(report), TODAY)
    judged = key.Judged(judge_health(report, TODAY), exposures, life)
    back = places.way_back("/fleet/keys?level=danger")
    shown = key.Changes(changes, is_first=False, more=bool(changes))
    return document.write("key", FRAME, page=key.lay_out(known, judged, shown, back))


def keys_html(*known: FleetKey, filters: KeyFilter = KeyFilter()) -> bytes:  # noqa: B008 - a value
    """Return a page of keys."""
    judged = [judge_health(as_report(one.key), TODAY) for one in known]
    page = Page(known, earlier=True, later=True)
    shown = keys.lay_out(page, judged, filters, Place("serial:1"))
    return document.write("keys", FRAME, page=shown, filters=filters, fault=NO_FAULT, rules=TITLES)


def hosts_html(*listed: Host, filters: HostFilter = HostFilter()) -> bytes:  # noqa: B008 - a value
    """Return a page of hosts."""
    page = hosts.lay_out(Page(listed, earlier=True, later=True), filters, NOW_US)
    return document.write("hosts", FRAME, page=page, filters=filters, fault=NO_FAULT)


def a_host(name: str = "laptop-17", release: str = "Debian 12", agent: str = "0.1.0") -> Host:
    """Return a host with whom not all is well."""
    return Host(
        HOST,
        name,
        bytes(32),
        HostState.ACTIVE,
        "linux",
        agent,
        NOW_US,
        release=release,
        reported_us=NOW_US - 9 * 86_400_000_000,
        sequence=12,
        dropped=1,
        missing=2,
        clashes=3,
        altered=1,
        person=name,
        silent_us=NOW_US,
    )


def a_decision(reason: str) -> Decision:
    """Return that YSA-2024-03 is critical."""
    return Decision(1, "YSA-2024-03", True, 7, NOW_US, "operator ann", reason, CRITERION)


def software_html(name: str = "laptop-17", version: str = "1.0") -> bytes:
    """Return the page of an advisory on software that a host has. name: its person's, too."""
    about = [shipped().software[0]]
    package = about[0].package
    host = a_host(name)._replace(software={package: version})
    hit = SoftwareHit(about[0].advisory_id, package, version, Concern.UNKNOWN, about[0].end)
    page = software.lay_out(about, [HitHost(host, (hit,))], HOST, Place(HOST))
    return document.write("software", Frame("Software", "advisories", "ann"), page=page)


def advisory_html(*known: FleetKey, reason: str = "A key can be copied") -> bytes:
    """Return the page of YSA-2024-03 with these keys on it, and why it was called critical."""
    about = next(one for one in ADVISORIES if one.advisory_id == "YSA-2024-03")
    reports = [as_report(one.key) for one in known]
    hits = [
        HitKey(one, judge(about, key_facts(report)))
        for one, report in zip(known, reports, strict=True)
    ]
    page = advisory.lay_out(
        about,
        Hits(hits, 1500, "serial:2"),
        [judge_health(report, TODAY) for report in reports],
        taken(*known),
        filters=HitFilter("exposed"),
        place=Place("serial:1"),
        decisions=[a_decision(reason)],
        is_on_software=True,
    )
    frame = Frame("YSA-2024-03", "advisories", "ann")
    return document.write("advisory", frame, page=page, census="Counted key by key.")


def taken(*known: FleetKey) -> Taken:
    """Return a census of these keys."""
    count = CensusCount(ADVISORIES)
    for one in known:
        count.add(one.key)
    return Taken(count.census(), NOW_US)


def overview_html(*known: FleetKey) -> bytes:
    """Return the overview of a fleet with these keys beside many others."""
    counts = Counts(
        1_234_567,
        {Level.DANGER: 12, Level.WARNING: 345, Level.NOTICE: 6_789, None: 1_227_421},
        {"YubiKey 5": 1_200_000, "Security Key|YubiKey 5": 30_000, "": 4_567},
        {"5.7.4": 1_200_000, "5.4.3": 30_000, "4.3.5": 7, "": 560}
        | {f"9.{minor}.0": 100 for minor in range(40)},
        {"piv-pin-default": 12, "certificate-ends": 345, "of-our-own": 1},
        {HostState.ACTIVE: 980_000, HostState.ERASED: 5},
    )
    page = overview.lay_out(
        Numbers(counts, dict.fromkeys(Trouble, 3), NOW_US),
        TITLES,
        taken(*known),
        12_000,
        ADVISORIES,
        decided={"YSA-2024-03"},
    )
    return document.write("overview", Frame("Overview", "overview", "ann"), page=page)


def form_html(fault: str = "") -> bytes:
    """Return the form that asks for a token."""
    return document.write("sign_in", Frame("Sign in"), to="/fleet", fault=fault, hours=8, idle=30)
