"""The pages of the fleet over a real store: what they say, filters, pages, and ways back."""

import re
from collections.abc import AsyncIterator
from html import unescape
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import pytest
import structlog

from server.fleet.firmware import Version
from server.fleet.holder_desk import HolderDesk, Named
from server.fleet.holders import HolderKind
from server.fleet.retention import Kept, limits
from server.otp.ports import StoreUnavailableError
from tests.server.acts import ACT, CAUSE
from tests.server.fleet.reports import HEALTHY, HOST
from tests.server.fleet_page.fleets import OLD, OTHER, enrolled, seen, small_fleet, told
from tests.server.web.conftest import OpenDoor
from tests.server.web.fleet_site import FleetSite, open_site, text_of
from tests.server.web.peer import Reply


class Reader(NamedTuple):
    """Somebody who is signed in."""

    site: FleetSite
    cookie: str

    async def read(self, path: str, status: int = 200) -> str:
        """Return what is to be read on a page."""
        return text_of(await self.reply(path, status))

    async def reply(self, path: str, status: int = 200) -> Reply:
        """Return a page."""
        reply = await self.site.get(path, self.cookie)
        assert reply.status == status, text_of(reply)
        return reply

    async def links(self, path: str) -> dict[str, str]:
        """Return where the links of a page lead, by their words."""
        body = (await self.reply(path)).body.decode()
        found = re.findall(r'(?s)<a href="([^"]*)"[^>]*>(.*?)</a>', body)
        return {re.sub(r"<[^>]*>", "", text).strip(): unescape(href) for href, text in found}

    async def serials(self, path: str) -> list[str]:
        """Return which keys a page lists."""
        body = (await self.reply(path)).body.decode()
        return re.findall(r'<h3><a href="[^"]*"><bdi title="([^"]*)">', body)


@pytest.fixture
async def reader(open_door: OpenDoor, tmp_path: Path) -> AsyncIterator[Reader]:
    async with open_site(open_door, tmp_path) as site:
        yield Reader(site, await site.sign_in((await site.operator()).token))


async def test_an_empty_fleet_says_so(reader: Reader) -> None:
    assert "No key was reported yet" in await reader.read("/fleet")
    assert "No key was reported yet" in await reader.read("/fleet/keys")
    assert "No host was enrolled yet" in await reader.read("/fleet/hosts")
    assert "None." in await reader.read("/fleet/advisories/YSA-2024-03")


async def test_the_overview_counts_what_there_is(reader: Reader) -> None:
    await small_fleet(reader.site.store)
    text = await reader.read("/fleet")
    assert "2 keys are in danger" in text
    assert "5 keys on 2 hosts" in text
    assert "In danger 2 40.0 %" in text
    assert "The PIV PIN is the one that every key comes with 2" in text
    assert "5.4.3 2 40.0 %" in text
    assert "5.7.4 3 60.0 %" in text
    assert "YubiKey 5 1 20.0 %" in text
    assert "an enrolled host says so, and nothing else does 5 100.0 %" in text
    assert "copied or put back (clashes) 1" in text
    links = await reader.links("/fleet")
    assert await reader.serials(links["In danger"]) == ["1", "4"]
    assert await reader.serials(links["5.4.3"]) == ["1", "4"]
    rule = "The PIV PIN is the one that every key comes with"
    assert await reader.serials(links[rule]) == ["1", "4"]
    assert "laptop-18" in await reader.read(links["copied or put back (clashes)"])


async def test_numbers_are_counted_once_for_some_seconds(reader: Reader) -> None:
    await small_fleet(reader.site.store)
    assert "5 keys on 2 hosts" in await reader.read("/fleet")
    await reader.site.store.take_reports([told(seen(serial=77), sequence=9)])
    assert "5 keys on 2 hosts" in await reader.read("/fleet")
    reader.site.clock.pass_by(16)
    assert "6 keys on 2 hosts" in await reader.read("/fleet")


async def test_keys_are_found_by_each_filter_and_by_all_of_them(reader: Reader) -> None:
    await small_fleet(reader.site.store)
    everything = await reader.serials("/fleet/keys")
    assert everything == ["a" * 64, "1", "2", "3", "4"]
    for query, found in {
        "serial=2": ["2"],
        "host=LAPTOP-18": ["4"],
        "firmware=5.4": ["1", "4"],
        "level=danger": ["1", "4"],
        "rule=disputed": ["4"],
        "serial=+4+&host=&firmware=5&level=danger&rule=disputed": ["4"],
        "level=notice": [],
        "rule=no-such-rule": [],
    }.items():
        assert await reader.serials(f"/fleet/keys?{query}") == found, query
    body = (await reader.reply("/fleet/keys?host=a%22%3E%3Cb&level=danger")).body.decode()
    assert 'value="a&#34;&gt;&lt;b"' in body
    assert '<option value="danger" selected>' in body


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/fleet/keys?serial=x", "serial"),
        ("/fleet/keys?firmware=new", "firmware"),
        ("/fleet/keys?host=%00", "host"),
        ("/fleet/hosts?name=%E2%80%AE", "name"),
    ],
)
async def test_what_makes_no_sense_is_said_beside_its_field(
    reader: Reader, path: str, field: str
) -> None:
    body = (await reader.reply(path, 400)).body.decode()
    assert re.search(
        rf'<input id="{field}"[^>]* aria-invalid="true" aria-describedby="fault"', body
    )
    assert 'role="alert"' in body


async def test_other_nonsense_is_refused_and_breaks_nothing(reader: Reader) -> None:
    for path in (
        "/fleet/keys?level=bad",
        "/fleet/keys?after=A+B",
        "/fleet/keys?after=a&before=b",
        "/fleet/hosts?trouble=all",
        "/fleet/advisories/YSA-2024-03?show=everything",
    ):
        await reader.reply(path, 400)
    for path in ("/fleet/keys/serial:99", "/fleet/advisories/YSA-1999-01", "/fleet/keys/x", "/fleet/x"):  # fmt: skip # noqa: E501 - a list
        assert "Overview" in await reader.read(path, 404)
    posted = await reader.site.ask("POST /fleet/keys", f"Cookie: keystead_fleet={reader.cookie}")
    assert (posted.status, posted.header("Allow")) == (405, "GET,HEAD")


async def test_pages_go_forth_and_back_and_keep_what_is_looked_for(reader: Reader) -> None:
    await enrolled(reader.site.store)
    for sequence, first in enumerate(range(100, 160, 5), start=1):
        facts = OLD if first < 150 else HEALTHY
        keys = [seen(facts, serial=first + more) for more in range(5)]
        await reader.site.store.take_reports([told(*keys, sequence=sequence)])
    listed: list[list[str]] = []
    path = "/fleet/keys?level=danger"
    forth = [path]
    while path:
        listed.append(await reader.serials(path))
        path = (await reader.links(path)).get("Next page", "")
        forth += [path] if path else []
    assert [len(page) for page in listed] == [25, 25]
    assert [one for page in listed for one in page] == [str(number) for number in range(100, 150)]
    back = (await reader.links(forth[-1]))["Previous page"]
    assert await reader.serials(back) == listed[0]
    assert (await reader.links(forth[-1]))["First page"] == "/fleet/keys?level=danger"
    assert "Previous page" not in await reader.links(back)


async def test_one_key_shows_all_of_it_and_the_way_back(reader: Reader) -> None:
    await small_fleet(reader.site.store)
    links = await reader.links("/fleet/keys?level=danger")
    assert (await reader.links(links["1"]))["Keys that were looked for"] == (
        "/fleet/keys?level=danger"
    )
    text = await reader.read(links["1"])
    assert "Product YubiKey 5 Firmware 5.4.3" in text
    assert "The PIV PIN is the one that every key comes with In danger" in text
    assert "YSA-2024-03 Affected, and exposed" in text
    assert "device.usb.enabled fido2, piv host-signed 21 November 2026 laptop-17" in text
    assert "laptop-17 21 November 2026 21 November 2026 not asked" in text
    assert "piv.pin.default : yes became no" in text
    assert "piv.pin.default : no became yes" in text
    assert "Word against word" not in text


async def test_what_nobody_knows_of_a_key_is_said(reader: Reader) -> None:
    await small_fleet(reader.site.store)
    text = await reader.read("/fleet/keys/serial:3")
    assert "piv another program was using the key" in text
    assert "Whether this is so: The PIV PIN is the one that every key comes with" in text
    await reader.site.store.take_reports(
        [told(seen({**HEALTHY}, {"piv.pin.tries": "deadline"}, serial=3), sequence=9)]
    )
    again = {name: value for name, value in HEALTHY.items() if not name.startswith("piv")}
    await reader.site.store.take_reports(
        [told(seen(again, {"piv": "in-use"}, serial=3), sequence=10)]
    )
    text = await reader.read("/fleet/keys/serial:3")
    assert "piv.pin.tries not read again: another program was using the key 3 host-signed" in text


async def test_a_dispute_shows_each_word_with_its_host(reader: Reader) -> None:
    await small_fleet(reader.site.store)
    text = await reader.read("/fleet/keys/serial:4")
    assert "Word against word" in text
    assert "5.4.3 host-signed 21 November 2026 laptop-17 5.7.4 host-signed" in text
    assert "Nobody can say whether it is affected" in text


async def test_a_long_history_has_pages(reader: Reader) -> None:
    await enrolled(reader.site.store)
    for sequence in range(1, 41):
        facts = {**HEALTHY, "fido.pin_tries": 1 + sequence % 8}
        await reader.site.store.take_reports([told(seen(facts, serial=5), sequence=sequence)])
    path = "/fleet/keys/serial:5?back=" + quote("/fleet/keys?host=laptop-17", safe="")
    first = await reader.read(path)
    assert first.count(" became ") == 25
    links = await reader.links(path)
    rest = await reader.read(links["Older changes"].partition("#")[0])
    assert rest.count(" became ") == 14
    assert (await reader.links(links["Older changes"].partition("#")[0]))["Newest changes"] == (
        f"{path}#history"
    )


async def test_an_advisory_says_whom_it_hits_and_on_whose_laptops(reader: Reader) -> None:
    await small_fleet(reader.site.store)
    assert "YSA-2024-03 Critical" in await reader.read("/fleet/advisories")
    path = "/fleet/advisories/YSA-2024-03"
    text = await reader.read(path)
    assert "CVE-2024-45678" in text
    assert "Affected (1)" in text
    assert await reader.serials(path) == ["1", "4"]
    assert await reader.serials(f"{path}?show=exposed") == ["1"]
    assert await reader.serials(f"{path}?show=affected") == ["1"]
    assert await reader.serials(f"{path}?show=unknown") == ["4"]
    text = await reader.read(f"{path}?show=unknown")
    assert "Nobody can say whether it is affected" in text
    assert "Hosts laptop-17 , laptop-18" in text
    key = (await reader.links(f"{path}?show=exposed"))["1"]
    assert (await reader.links(key))["Keys of YSA-2024-03"] == f"{path}?show=exposed"


async def test_who_decided_that_an_advisory_is_critical_is_shown_with_the_reason(
    reader: Reader,
) -> None:
    await small_fleet(reader.site.store)
    path = "/fleet/advisories/YSA-2024-03"
    assert "Nobody decided here that it is critical." in await reader.read(path)
    cause = CAUSE._replace(reason="Keys can be copied")
    await reader.site.advisories.decide("YSA-2024-03", critical=True, cause=cause)
    text = await reader.read(path)
    assert "Critical: keys are to be replaced" in text
    assert "Keys can be copied" in text
    assert str(cause.actor) in text
    for listed in ("/fleet", "/fleet/advisories"):
        assert "YSA-2024-03 Decided: critical" in await reader.read(listed)
    await reader.site.advisories.decide("YSA-2024-03", critical=False, cause=cause)
    assert "Not critical any more" in await reader.read(path)
    assert "YSA-2024-03 Decided" not in await reader.read("/fleet/advisories")


async def test_an_advisory_on_software_says_which_hosts_have_it(reader: Reader) -> None:
    await small_fleet(reader.site.store)
    old = told(sequence=5)._replace(software={"yubico-piv-tool": "1.5.0"})
    await reader.site.store.take_reports([old])
    path = (await reader.links("/fleet/advisories"))["YSA-2018-03"]
    assert path == "/fleet/advisories/YSA-2018-03/hosts"
    text = await reader.read(path)
    assert "yubico-piv-tool before 1.6" in text
    assert "laptop-17 yubico-piv-tool 1.5.0" in text
    assert "laptop-18" not in text
    assert "there are no more" not in text
    await reader.read(f"{path}?after=%00", 400)
    assert "YSA-2024-03" in await reader.read("/fleet/advisories/YSA-2024-03/hosts", 404)


async def test_the_organisations_own_rules_and_the_products_life_are_shown(
    reader: Reader,
) -> None:
    await enrolled(reader.site.store)
    fips = {**OLD, "device.fips_series": True}
    await reader.site.store.take_reports([told(seen(fips, serial=1))])
    text = await reader.read("/fleet/keys/serial:1")
    assert "The key is of an older line" in text
    assert "The product's life" in text
    listed = await reader.read("/fleet/keys")
    assert "The key is of an older line" in listed
    assert "fips-historical" in (await reader.reply("/fleet/keys")).body.decode()


async def test_keys_that_an_advisory_hits_are_found_page_by_page(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.fleet.view._AT_ONCE", 4)
    monkeypatch.setattr("server.fleet.view._LOOKED_AT", 12)
    monkeypatch.setattr("server.web.fleet_pages._ROWS", 3)
    await enrolled(reader.site.store)
    for sequence, first in enumerate(range(100, 130, 5), start=1):
        keys = [
            seen(OLD if number % 7 == 0 else HEALTHY, serial=number)
            for number in range(first, first + 5)
        ]
        await reader.site.store.take_reports([told(*keys, sequence=sequence)])
    found: list[str] = []
    path = "/fleet/advisories/YSA-2024-03"
    pages = 0
    while path:
        found += await reader.serials(path)
        path = (await reader.links(path)).get("Next page", "")
        pages += 1
    assert found == ["105", "112", "119", "126"]
    assert pages == 3


async def test_who_holds_a_key_is_shown_and_found(reader: Reader) -> None:
    store = reader.site.store
    await small_fleet(store)
    assert "Nobody is registered." in await reader.read("/fleet/holders")
    holders = HolderDesk(store, plain=True)
    for serial, person, kind in (
        (1, "Anna Berg", HolderKind.PRIMARY),
        (2, "Anna Berg", HolderKind.SPARE),
        (99, "Bo Ek", HolderKind.PRIMARY),
    ):
        await holders.entrust(Named(serial), person, kind, handed_over=False, cause=CAUSE)
    await holders.assign(HOST, "Anna Berg", cause=CAUSE)
    await holders.assign(OTHER, "Bo Ek", cause=CAUSE)
    text = await reader.read("/fleet/keys/serial:1")
    assert "Who has it Anna Berg reported Primary key" in text
    assert "laptop-17 21 November 2026 21 November 2026 not asked Anna Berg" in text
    shared = await reader.read("/fleet/keys/serial:4")
    assert "Hosts of several persons saw it" in shared
    assert await reader.serials("/fleet/keys?rule=shared") == ["4"]
    assert "Holder Anna Berg" in await reader.read("/fleet/keys?serial=2")
    assert "Whose Bo Ek" in await reader.read("/fleet/hosts?name=laptop-18")
    path = "/fleet/holders?person=ANNA++berg&kind=spare"
    assert await reader.serials(path) == ["2"]
    assert "99 Primary key Person Bo Ek reported Last seen never" in (
        await reader.read("/fleet/holders")
    )
    back = (await reader.links((await reader.links(path))["2"]))["Holders"]
    assert back == "/fleet/holders?person=ANNA%20%20berg&kind=spare"
    await reader.reply("/fleet/holders?kind=everything", 400)


async def test_hosts_tell_what_is_wrong_with_them(reader: Reader) -> None:
    await small_fleet(reader.site.store)
    text = await reader.read("/fleet/hosts")
    assert "laptop-18 Active" in text
    assert "Another report came under a used number once: copied, or put back" in text
    assert await reader.serials((await reader.links("/fleet/hosts"))["Its keys: laptop-18"]) == [
        "4"
    ]
    assert "laptop-17" not in await reader.read("/fleet/hosts?trouble=clashes")
    assert "laptop-18" not in await reader.read("/fleet/hosts?name=LAPTOP-17")
    store, now_us = reader.site.store, reader.site.clock.now_us()
    lease = await store.acquire_lease("fleet-retention", "one", 10**12)
    assert lease is not None
    later_us = now_us + 31 * 86_400_000_000
    await store.mark_silent(limits(Kept(9_000, 9_000, 9_000, 30), later_us), lease)
    text = await reader.read("/fleet/hosts?trouble=silent")
    assert text.count("Silent: nothing was heard of it for 0 days") == 2


async def test_what_an_erased_host_said_names_nobody(reader: Reader) -> None:
    store = reader.site.store
    await small_fleet(store)
    changed = {**OLD, "piv.pin.tries": 2}
    await enrolled(store, "2d" * 16, "secret-laptop")
    await store.take_reports([told(seen(changed, serial=1), host="2d" * 16)])
    assert "secret-laptop" in await reader.read("/fleet/keys/serial:1")
    await store.erase_host("2d" * 16, act=ACT)
    text = await reader.read("/fleet/keys/serial:1")
    assert "secret-laptop" not in text
    assert "an erased host" in text
    assert "secret-laptop" not in await reader.read("/fleet/hosts")


async def test_a_store_that_is_away_is_said_and_nothing_leaks(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    await small_fleet(reader.site.store)

    async def away(*_: object) -> None:
        raise StoreUnavailableError("no route to db.internal")

    with monkeypatch.context() as patched, structlog.testing.capture_logs():
        patched.setattr(reader.site.store, "key_page", away)
        text = await reader.read("/fleet/keys", 503)
        assert "Try again in a moment" in text
        assert "db.internal" not in text

    async def broken(*_: object) -> None:
        raise ZeroDivisionError(HOST)

    with monkeypatch.context() as patched, structlog.testing.capture_logs() as lines:
        patched.setattr(reader.site.store, "key_page", broken)
        text = await reader.read("/fleet/keys", 500)
    assert lines[-1]["request_id"] in text
    assert HOST not in text + str(lines)
    assert await reader.serials("/fleet/keys?serial=2") == ["2"]
    assert reader.site.outcomes["unavailable"] == reader.site.outcomes["fault"] == 1


async def test_many_that_look_at_once_wait_and_then_are_told(
    reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.web.fleet_pages._WAITING", 0)
    with structlog.testing.capture_logs():
        assert "Try again" in await reader.read("/fleet/keys", 503)


async def test_the_chart_is_a_table_with_its_numbers(reader: Reader) -> None:
    await small_fleet(reader.site.store)
    body = (await reader.reply("/fleet")).body.decode()
    table = re.search(r"(?s)<caption>Keys by version.*?</table>", body)
    assert table is not None
    rows = re.findall(r'(?s)<th scope="row">.*?>([0-9.]+)</a>.*?<rect width="(\d+)"', table[0])
    assert rows == [(str(Version(5, 7, 4)), "200"), (str(Version(5, 4, 3)), "133")]
    assert 'scope="col"' in table[0]
    assert OTHER not in body
