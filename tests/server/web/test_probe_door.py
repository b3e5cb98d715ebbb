"""The prober's listener: pages, and a button that only a person presses."""

import socket
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import NamedTuple

import aiohttp
import pytest
from aiohttp import web

from hsm.journalkey import JournalKey
from server.incidents.schedule import Schedule
from server.incidents.states import State
from server.metrics.tally import Tally
from server.probing.links import Links
from server.probing.standing import Standing
from server.probing.vigil import Local, Vigil
from server.storage.spool import Spool
from server.web.probe_door import ProbeDoor
from server.web.runner import serve
from tests.server.still_clock import NOW_US, StillClock

BUTTON = {"acknowledge": "yes"}
FAILING = Standing(failing=True, bad=2, since_us=NOW_US, why="no connection")


class Site(NamedTuple):
    """A served listener with an incident. client: knows its address; path: of ann's own link."""

    client: aiohttp.ClientSession
    vigil: Vigil
    clock: StillClock
    path: str
    documents: dict[str, bytes]

    def state(self) -> State:
        local = self.vigil.local()
        assert local is not None
        return local.incident.state

    async def ask(
        self, method: str, path: str, data: Mapping[str, str] | None = None
    ) -> tuple[int, str, Mapping[str, str]]:
        async with self.client.request(method, path, data=data, allow_redirects=False) as answer:
            return answer.status, await answer.text(), answer.headers


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    clock, spool = StillClock(), Spool.open(tmp_path / "spool.db")
    vigil = Vigil(spool, prober="prober", clock=clock, schedule=Schedule())
    vigil.consider(FAILING, away=True)
    links = Links(JournalKey.generate(), base="http://x", salt=b"s", people={"ann": 1})
    documents: dict[str, bytes] = {}
    door = ProbeDoor(
        vigil,
        links.read,
        now_s=lambda: clock.now_us() // 1_000_000,
        documents=lambda: documents or None,
    )
    app = web.Application()
    door.add_to(app)
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    port = listener.getsockname()[1]
    serving = await serve(app, [listener], tally=Tally.in_memory())
    local = vigil.local()
    assert isinstance(local, Local)
    path = links.make(local, "ann", NOW_US // 1_000_000 + 3_600).removeprefix("http://x")
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client:
        yield Site(client, vigil, clock, path, documents)
    await serving.stop()
    spool.close()


async def test_looking_at_a_link_changes_nothing(site: Site) -> None:
    for method in ("GET", "HEAD", "GET"):
        status, _, headers = await site.ask(method, site.path)
        assert status == 200
        assert headers["Cache-Control"] == "no-store"
        assert headers["Referrer-Policy"] == "no-referrer"
    assert site.state() is State.OPEN


async def test_the_button_acknowledges_as_the_person_whose_link_it_is(site: Site) -> None:
    _, text, _ = await site.ask("GET", site.path)
    assert "Acknowledge as ann" in text
    status, text, _ = await site.ask("POST", site.path, BUTTON)
    assert status == 200
    assert "You have acknowledged it, ann." in text
    local = site.vigil.local()
    assert local is not None
    assert (local.history[-1].author.name, site.state()) == ("ann", State.ACKNOWLEDGED)
    status, _, _ = await site.ask("POST", site.path, BUTTON)
    assert status == 409
    _, text, _ = await site.ask("GET", site.path)
    assert "<button>" not in text


@pytest.mark.parametrize("form", [None, {}, {"acknowledge": "no"}, {"a": "x" * 1_000}])
async def test_a_post_that_is_not_the_buttons_changes_nothing(
    site: Site, form: Mapping[str, str] | None
) -> None:
    status, _, _ = await site.ask("POST", site.path, form)
    assert status == 400
    assert site.state() is State.OPEN


async def test_other_methods_and_other_tokens_change_nothing(site: Site) -> None:
    for method in ("PUT", "DELETE", "PATCH"):
        assert (await site.ask(method, site.path, BUTTON))[0] == 405
    other = site.path[:-1] + ("A" if site.path[-1] != "A" else "Q")
    assert (await site.ask("POST", other, BUTTON))[0] == 404
    assert (await site.ask("POST", "/ack/short", BUTTON))[0] == 404
    site.clock.pass_by(3_601)
    status, text, _ = await site.ask("POST", site.path, BUTTON)
    assert (status, "too old" in text) == (404, True)
    assert site.state() is State.OPEN


async def test_a_title_cannot_bring_markup_in(site: Site) -> None:
    _, text, headers = await site.ask("GET", site.path)
    assert "script" not in text
    assert "unsafe" not in headers["Content-Security-Policy"]


async def test_the_pages_are_there_once_there_is_something_to_show(site: Site) -> None:
    assert (await site.ask("GET", "/status/"))[0] == 503
    site.documents.update({"index.html": b"<p>", "api/v2/summary.json": b"{}"})
    status, _, headers = await site.ask("GET", "/status")
    assert (status, headers["Location"]) == (302, "/status/")
    status, text, headers = await site.ask("GET", "/status/")
    assert (status, text, headers["Content-Type"]) == (200, "<p>", "text/html; charset=utf-8")
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    status, text, _ = await site.ask("GET", "/status/api/v2/summary.json")
    assert (status, text) == (200, "{}")
    for name in ("absent", "../../etc/passwd", "%2e%2e/probe.toml", "history.atom/"):
        assert (await site.ask("GET", f"/status/{name}"))[0] == 404
