"""The status on the wire: from memory alone, the same for all, and for everybody to read."""

import asyncio
import json
from dataclasses import replace

import structlog
from aiohttp import web

from server.otp.sources import SourceLimiter
from server.otp.verdict import Source
from server.status.files import FORMS, Site
from server.status.snapshot import Snapshot
from server.web.source import SourceReader
from server.web.status import status_app
from server.web.status_pages import FRESH_S, StatusPages
from tests.server.status.samples import NOW_S, US, eventful, incident, quiet
from tests.server.still_clock import StillClock
from tests.server.web.conftest import Door, OpenDoor
from tests.server.web.peer import Peer, Reply, get, post
from tests.server.web.test_status import Known
from validation.gcra import Rate

SITE = Site("https://otp.example.org/status", "/status/")


def _stranger(*_: object) -> Source:
    return Source("192.0.2.1", exempt=False)


class House:
    """A door that shows what a process knows. strangers: loopback pays like everybody else."""

    def __init__(self, door: OpenDoor, *, strangers: bool = False, burst: int = 100) -> None:
        self._snapshot: Snapshot | None = quiet()
        self.clock = StillClock()
        self.clock.us = NOW_S * US
        self._open = door
        self._limiter = SourceLimiter(Rate.per_second(1, burst), clock=self.clock, limit=10)
        self._source = _stranger if strangers else SourceReader().of

    @property
    def snapshot(self) -> Snapshot | None:
        return self._snapshot

    def know(self, snapshot: Snapshot | None) -> None:
        self._snapshot = snapshot

    async def open(self) -> Door:
        pages = StatusPages(
            self, SITE, clock=self.clock, source=self._source, limiter=self._limiter
        )
        app, below = web.Application(), status_app(Known())
        pages.add_pages(below)
        app.add_subapp("/status", below)
        pages.add_api(app)
        return await self._open(app)


async def ask(door: Door, request: bytes, *, head: bool = False) -> Reply:
    async with Peer(door.host, door.port) as peer:
        peer.send(request)
        return await peer.reply(head=head)


async def test_page_feed_and_json_are_where_people_and_programs_look(open_door: OpenDoor) -> None:
    house = House(open_door)
    door = await house.open()
    paths = {"/status": "text/html", "/status/": "text/html"}
    paths |= {f"/status/{name}": form.media_type for name, form in FORMS.items()}
    paths |= {f"/{name}": form.media_type for name, form in FORMS.items() if "api/" in name}
    for path, media_type in paths.items():
        reply = await ask(door, get(path))
        assert (reply.status, reply.header("content-type")) == (200, f"{media_type}; charset=utf-8")
        assert reply.header("cache-control") == "public, max-age=10"
        assert reply.header("x-content-type-options") == "nosniff"
        assert reply.header("content-security-policy").startswith("default-src 'none'")
        everybody = [] if media_type == "text/html" else ["*"]
        assert reply.all("access-control-allow-origin") == everybody
        assert "frame-ancestors 'none'" in reply.header("content-security-policy")


async def test_the_page_is_for_reading(open_door: OpenDoor) -> None:
    door = await House(open_door).open()
    head = await ask(door, b"HEAD /status HTTP/1.1\r\nHost: x\r\n\r\n", head=True)
    assert (head.status, head.body) == (200, b"")
    assert (await ask(door, post("/status", b"x"))).status == 405
    assert (await ask(door, get("/status/../etc/passwd"))).status == 404
    assert (await ask(door, get("/api/v2/"))).status == 404


async def test_a_query_and_a_host_of_somebodys_choice_change_nothing(open_door: OpenDoor) -> None:
    door = await House(open_door).open()
    plain = await ask(door, get("/status"))
    other = b"GET /status?title=<script> HTTP/1.1\r\nHost: evil.example\r\n\r\n"
    assert (await ask(door, other)).body == plain.body


async def test_who_has_it_gets_it_again_only_when_it_is_another(open_door: OpenDoor) -> None:
    house = House(open_door)
    door = await house.open()
    tag = (await ask(door, get("/status"))).header("etag")
    same = await ask(door, get("/status", f"If-None-Match: {tag}"), head=True)
    assert (same.status, same.body) == (304, b"")
    house.know(eventful())
    other = await ask(door, get("/status", f"If-None-Match: {tag}"))
    assert other.status == 200
    assert b"Validation is out of order" in other.body


async def test_the_page_grows_old_while_nothing_new_can_be_read(open_door: OpenDoor) -> None:
    house = House(open_door)
    door = await house.open()
    assert b"Everything works" in (await ask(door, get("/status"))).body
    house.clock.pass_by(61 + FRESH_S)
    old = await ask(door, get("/status"))
    assert old.status == 200
    assert b"It is not known how things are now" in old.body
    status = json.loads((await ask(door, get("/api/v2/status.json"))).body)
    assert status["status"]["indicator"] == "minor"


async def test_before_anything_is_known_it_says_so_and_shows_no_empty_page(
    open_door: OpenDoor,
) -> None:
    house = House(open_door)
    house.know(None)
    reply = await ask(await house.open(), get("/status"))
    assert (reply.status, reply.header("retry-after")) == (503, "5")


async def test_a_source_that_asks_too_often_is_told_when_to_come_back(open_door: OpenDoor) -> None:
    house = House(open_door, strangers=True, burst=2)
    door = await house.open()
    replies = [await ask(door, get("/status")) for _ in range(3)]
    assert [reply.status for reply in replies] == [200, 200, 429]
    assert replies[-1].header("retry-after") == "1"
    house.clock.pass_by(1)
    assert (await ask(door, get("/status/history.atom"))).status == 200


async def test_a_fault_of_the_page_is_told_and_is_no_fault_of_validation(
    open_door: OpenDoor,
) -> None:
    house = House(open_door)
    house.know(replace(quiet(), incidents=(replace(incident(), updates=()),)))
    door = await house.open()
    with structlog.testing.capture_logs() as lines:
        reply = await ask(door, get("/status/history.atom"))
    assert (reply.status, reply.header("retry-after")) == (503, "5")
    assert [line["event"] for line in lines] == ["status_fault"]


async def test_many_who_ask_at_once_get_one_and_the_same(open_door: OpenDoor) -> None:
    door = await House(open_door).open()
    replies = await asyncio.gather(*(ask(door, get("/status")) for _ in range(20)))
    assert len({reply.header("etag") for reply in replies}) == 1
