"""The public feed: what was announced, from memory alone, to everybody and without verifying."""

from collections.abc import Sequence

import structlog
from aiohttp import web

from server.maintenance.plan import Maintenance
from server.web.status import status_app
from tests.server.maintenance.histories import announced, changed
from tests.server.maintenance.test_feed import read
from tests.server.web.conftest import Door, OpenDoor
from tests.server.web.peer import Peer, Reply, get, post

PATH = "/status/maintenance.ics"


class Known:
    """What a process knows of maintenance."""

    announced: Sequence[Maintenance] | None = None


async def opened(open_door: OpenDoor, known: Known) -> Door:
    app = web.Application()
    app.add_subapp("/status", status_app(known))
    return await open_door(app)


async def ask(door: Door, request: bytes, *, head: bool = False) -> Reply:
    async with Peer(door.host, door.port) as peer:
        peer.send(request)
        return await peer.reply(head=head)


async def test_the_calendar_is_what_was_announced(open_door: OpenDoor) -> None:
    known = Known()
    door = await opened(open_door, known)
    known.announced = [announced()]
    reply = await ask(door, get(PATH))
    assert reply.status == 200
    assert reply.header("content-type") == "text/calendar; charset=utf-8"
    assert reply.header("cache-control") == "public, max-age=60"
    assert reply.header("server") == "keystead"
    (event,) = read(reply.body)
    known.announced = [changed(announced(), 1_795_262_460, end=1_795_280_000)]
    (later,) = read((await ask(door, get(PATH))).body)
    assert (event["UID"], event["SEQUENCE"]) == (later["UID"], "0")
    assert later["SEQUENCE"] == "1"


async def test_who_has_the_calendar_gets_it_again_only_when_it_is_another(
    open_door: OpenDoor,
) -> None:
    known = Known()
    door = await opened(open_door, known)
    known.announced = [announced()]
    tag = (await ask(door, get(PATH))).header("etag")
    known.announced = [announced()]
    same = await ask(door, get(PATH, f"If-None-Match: {tag}"), head=True)
    assert (same.status, same.body) == (304, b"")
    known.announced = []
    other = await ask(door, get(PATH, f"If-None-Match: {tag}"))
    assert other.status == 200
    assert read(other.body) == []


async def test_before_anything_is_known_it_says_so_and_shows_no_empty_calendar(
    open_door: OpenDoor,
) -> None:
    reply = await ask(await opened(open_door, Known()), get(PATH))
    assert (reply.status, reply.header("retry-after")) == (503, "5")


async def test_it_is_there_to_be_read(open_door: OpenDoor) -> None:
    door = await opened(open_door, Known())
    assert (await ask(door, post(PATH, b"x"))).status == 405
    assert (await ask(door, get("/status/"))).status == 404


async def test_a_fault_of_the_calendar_is_told_and_is_no_fault_of_validation(
    open_door: OpenDoor,
) -> None:
    known = Known()
    door = await opened(open_door, known)
    known.announced = [Maintenance(1, (announced().history[1],))]  # nothing that a store has
    with structlog.testing.capture_logs() as lines:
        reply = await ask(door, get(PATH))
    assert (reply.status, reply.header("retry-after")) == (503, "5")
    assert [line["event"] for line in lines] == ["status_fault"]
