"""The page to acknowledge on, at a real door: only its button acknowledges, and only in time."""

import asyncio
import ipaddress
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import NamedTuple

import pytest
import structlog
from aiohttp import web

from server.clock import SystemClock
from server.incidents.record import Incident, State
from server.notices.acknowledging import AcknowledgementSource, Found, Verdict
from server.notices.link import AcknowledgementLink, person_mark
from server.otp.ports import StoreUnavailableError
from server.web.acknowledge import AcknowledgePages
from server.web.source import SourceReader
from server.web.status import status_app
from tests.server.notices.house import EVE, KEY, SALT, House
from tests.server.storage.link.linked import linked
from tests.server.web.conftest import Door, OpenDoor
from tests.server.web.peer import Peer, Reply, get

BUTTON = b"acknowledge=yes"
FORM = "application/x-www-form-urlencoded"


class Nothing:
    """What a process knows of maintenance."""

    announced = None


class Scene(NamedTuple):
    """A door with one open incident behind it."""

    house: House
    door: Door

    def path(self, incident_id: int = 1, person: str = "anna", late_s: int = 3600) -> str:
        now_s = self.house.clock.now_us() // 1_000_000
        link = AcknowledgementLink(incident_id, person_mark(SALT, person), now_s + late_s)
        return f"/status/ack/{link.sign(KEY)}"

    async def ask(self, request: bytes, *, head: bool = False) -> Reply:
        async with Peer(self.door.host, self.door.port) as peer:
            peer.send(request)
            return await peer.reply(head=head)

    async def press(self, path: str, body: bytes = BUTTON, kind: str = FORM) -> Reply:
        head = (
            f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return await self.ask(head.encode() + body)

    async def incident(self) -> Incident:
        found = await self.house.store.incident(1)
        assert found is not None
        return found


def pages(source: AcknowledgementSource, sources: SourceReader | None = None) -> web.Application:
    app = web.Application()
    AcknowledgePages(source, sources or SourceReader(), SystemClock()).register(app)
    app.add_subapp("/status", status_app(Nothing()))
    return app


@pytest.fixture(params=["here", "over the link"])
async def scene(request: pytest.FixtureRequest, open_door: OpenDoor) -> AsyncIterator[Scene]:
    house = House()
    await house.open()
    async with AsyncExitStack() as stack:
        source: AcknowledgementSource = house.links
        if request.param == "over the link":
            over = linked(house.store, house.store, acknowledgements=house.links)
            source = (await stack.enter_async_context(over)).store
        yield Scene(house, await open_door(pages(source)))


async def test_the_page_shows_what_it_is_about_and_has_a_button(scene: Scene) -> None:
    reply = await scene.ask(get(scene.path()))
    page = reply.body.decode()
    assert reply.status == 200
    assert reply.header("content-type") == "text/html; charset=utf-8"
    assert "Nobody gets an answer" in page
    assert "You are <strong>anna</strong>" in page
    assert '<form method="post">' in page
    assert "<script" not in page


async def test_no_fetch_acknowledges_anything(scene: Scene) -> None:
    # Mail scanners, chats that show previews, browsers that read ahead.
    before = await scene.incident()
    for method in ("GET", "HEAD"):
        for more in ("", "Purpose: prefetch\r\n", "Sec-Purpose: prefetch;prerender\r\n"):
            request = f"{method} {scene.path()} HTTP/1.1\r\nHost: x\r\n{more}\r\n"
            reply = await scene.ask(request.encode(), head=method == "HEAD")
            assert reply.status == 200
    for method in ("OPTIONS", "PUT", "DELETE", "PATCH"):
        reply = await scene.ask(f"{method} {scene.path()} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        assert reply.status in {404, 405}
    assert await scene.incident() == before


async def test_the_button_acknowledges_as_that_person_and_once(scene: Scene) -> None:
    reply = await scene.press(scene.path())
    assert (reply.status, "Acknowledged by anna" in reply.body.decode()) == (200, True)
    incident = await scene.incident()
    assert (incident.state, incident.history[-1].author.name) == (
        State.ACKNOWLEDGED,
        "on-call anna",
    )
    again = await scene.press(scene.path(person="bo"))
    assert "It was acknowledged by on-call anna" in again.body.decode()
    assert await scene.incident() == incident
    assert "<form" not in (await scene.ask(get(scene.path()))).body.decode()


@pytest.mark.parametrize(
    ("body", "kind"),
    [(b"", FORM), (b"acknowledge=no", FORM), (b"acknowledge=yes&x=y", FORM), (BUTTON, "text/plain"),
     (b'{"acknowledge":"yes"}', "application/json"), (b"x" * 5000, FORM)],
)  # fmt: skip
async def test_a_post_that_is_not_the_buttons_acknowledges_nothing(
    scene: Scene, body: bytes, kind: str
) -> None:
    before = await scene.incident()
    assert (await scene.press(scene.path(), body, kind)).status == 400
    assert await scene.incident() == before


async def test_forged_expired_and_other_links_show_nothing_and_do_nothing(scene: Scene) -> None:
    before = await scene.incident()
    good = scene.path()
    stale = scene.path(late_s=60)
    scene.house.clock.pass_by(60)
    stranger = AcknowledgementLink(1, person_mark(SALT, "eve"), 2**40).sign(KEY)
    for path in (
        stale,
        scene.path(incident_id=2),
        f"/status/ack/{stranger}",
        good[:-1],
        good + "A",
        good[:40] + ("A" if good[40] != "A" else "B") + good[41:],
        "/status/ack/x",
        "/status/ack/" + "A" * 130,
        "/status/ack/" + "%00" * 20,
    ):
        for reply in (await scene.ask(get(path)), await scene.press(path)):
            assert reply.status == 404
            assert "Nobody gets an answer" not in reply.body.decode()
    assert await scene.incident() == before
    assert (await scene.press(good)).status == 200


async def test_what_is_over_has_no_button(scene: Scene) -> None:
    await scene.house.incidents.dismiss(1, cause=EVE)
    page = (await scene.ask(get(scene.path()))).body.decode()
    assert "It is over" in page
    assert "<form" not in page


async def test_the_page_is_kept_by_nobody_and_framed_by_nobody(scene: Scene) -> None:
    reply = await scene.ask(get(scene.path()))
    assert reply.header("cache-control") == "no-store"
    assert reply.header("referrer-policy") == "no-referrer"
    assert reply.header("server") == "keystead"
    policy = reply.header("content-security-policy")
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    # What the page needs is on it: its address is a key, and goes nowhere with a request.
    assert re.findall(r"\b(?:src|href|action)=", reply.body.decode()) == []


async def test_a_title_is_text_on_the_page(open_door: OpenDoor) -> None:
    class Evil:
        async def acknowledgement(self, token: str, *, press: bool) -> Found:
            del token, press
            evil = "<script>alert(1)</script>"
            return Found(Verdict.READY, evil, 1, evil, evil, 1, evil, evil)

    scene = Scene(House(), await open_door(pages(Evil())))
    assert b"<script" not in (await scene.ask(get(scene.path()))).body


async def test_a_store_that_is_away_acknowledges_nothing_and_says_so(open_door: OpenDoor) -> None:
    class Away:
        def __init__(self, fault: Exception) -> None:
            self._fault = fault

        async def acknowledgement(self, token: str, *, press: bool) -> Found:
            del token, press
            raise self._fault

    for fault, event in (
        (StoreUnavailableError("away"), "acknowledgement_not_found_out"),
        (ZeroDivisionError("canary-4711"), "acknowledgement_fault"),
    ):
        scene = Scene(House(), await open_door(pages(Away(fault))))
        with structlog.testing.capture_logs() as lines:
            reply = await scene.press(scene.path())
        assert reply.status == 503
        assert "keystead incident acknowledge" in reply.body.decode()
        assert [line["event"] for line in lines] == [event]
        assert "canary" not in str(lines)


async def test_who_tries_many_links_is_told_to_wait_and_others_are_not(
    open_door: OpenDoor,
) -> None:
    house = House()
    await house.open()
    behind_proxy = SourceReader([ipaddress.ip_network("127.0.0.0/8")])
    scene = Scene(house, await open_door(pages(house.links, behind_proxy)))

    async def from_(address: str, path: str) -> int:
        return (await scene.ask(get(path, f"X-Forwarded-For: {address}"))).status

    answers = [await from_("192.0.2.1", f"/status/ack/{n:0130}") for n in range(40)]
    assert answers[0] == 404
    assert answers[-1] == 429
    assert await from_("192.0.2.1", scene.path()) == 429
    assert await from_("192.0.2.2", scene.path()) == 200


async def test_the_rest_below_status_is_still_there(scene: Scene) -> None:
    assert (await scene.ask(get("/status/maintenance.ics"))).status == 503
    assert (await scene.ask(get("/status/ack"))).status == 404


class Hanging:
    """Finds nothing out, and does not say so."""

    async def acknowledgement(self, token: str, *, press: bool) -> Found:
        del token, press
        await asyncio.sleep(60)
        return Found(Verdict.REFUSED)


async def test_while_the_store_hangs_nobody_waits_for_long(open_door: OpenDoor) -> None:
    app = web.Application()
    AcknowledgePages(Hanging(), SourceReader(), SystemClock(), answer_s=0.1).register(app)
    scene = Scene(House(), await open_door(app))
    async with asyncio.timeout(20):  # a guard against hanging, no measure
        reply = await scene.ask(get(scene.path()))
    assert reply.status == 503
