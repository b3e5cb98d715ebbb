"""The admin API on backups and the fence."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.counter_journal.ports import Place
from tests.server.counter_journal.nodes import NODE, accept, fence, node
from tests.server.web.office import Office, open_office

LINE = b"7,cccccccccccc,a1b2c3d4e5f6,00112233445566778899aabbccddeeff,000000000000,,\n"
EMPTY = {"backup": None, "made": None, "restored": None, "nodes": None, "problems": None}


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    office = await open_office(tmp_path)
    yield office
    await office.serving.stop()


async def test_a_backup_is_remembered_and_in_the_journal(office: Office) -> None:
    made = {"id": "b1", "made": "2026-02-28T12:00:00Z", "nodes": {NODE: 7, "other": None}}
    await office.store.note_journal_node(NODE, Place(7))
    await office.store.note_journal_node("began-meanwhile", Place(1))
    answer = await office.call("POST", "/backups", made)
    assert (answer.status, answer.json) == (200, {"noted": True, "late": ["began-meanwhile"]})
    assert [set(kept) for kept in await office.store.kept_backups()] == [{NODE, "other"}]
    (entry,) = await office.store.latest_entries(1)
    assert (entry.deed.act.action, entry.deed.subject.id) == ("backup.make", "b1")


async def test_what_is_noted_of_a_backup_has_its_form(office: Office) -> None:
    for nodes in ({NODE: -1}, {NODE: "7"}, {NODE: 2**80}, ["x"]):
        made = {"id": "b1", "made": "2026-02-28T12:00:00Z", "nodes": nodes}
        assert (await office.call("POST", "/backups", made)).status == 422
    for harm in (
        {"id": "b\n1"},
        {"made": "now\x1b[2J"},
        {"nodes": {"a\x00": 1}},
        {"id": "b" * 200},
    ):
        made = {"id": "b1", "made": "2026-02-28T12:00:00Z", "nodes": {NODE: 1}, **harm}
        assert (await office.call("POST", "/backups", made)).status == 422
    assert await office.store.kept_backups() == []


async def test_without_a_fence_there_is_nothing_to_lift(office: Office) -> None:
    answer = await office.call("GET", "/fence")
    assert (answer.status, answer.json) == (200, {"fenced": False, **EMPTY})
    refused = await office.call("POST", "/fence/release", {"reason": "because"})
    assert (refused.status, "no fence" in refused.json["detail"]) == (409, True)


async def test_a_fence_shows_whom_it_waits_for_and_falls_when_all_is_told(
    office: Office, tmp_path: Path
) -> None:
    await office.call("POST", "/keys/import?format=ksm", raw=LINE, content_type="text/csv")
    async with node(tmp_path / "journals") as journal:
        await accept(journal, 3, public_id=b"cccccccccccc")
    office.store.raise_fence(fence(machine_0=1, machine_1=1).encode())
    shown = (await office.call("GET", "/fence")).json
    assert (shown["fenced"], shown["nodes"]) == (True, [NODE, "machine-1"])
    asked = {"directories": [str(tmp_path / "journals")]}
    first = (await office.call("POST", "/fence/replay", asked)).json
    assert (first["raised"], first["stands"], set(first["problems"])) == (1, True, {"machine-1"})
    async with node(tmp_path / "journals", "machine-1"):
        pass
    second = (await office.call("POST", "/fence/replay", asked)).json
    assert (second["raised"], second["stands"], second["problems"]) == (0, False, {})
    assert (await office.call("GET", "/fence")).json["fenced"] is False


async def test_a_fence_is_lifted_with_a_reason_only(office: Office) -> None:
    office.store.raise_fence(fence(machine_0=1).encode())
    assert (await office.call("POST", "/fence/release", {"reason": ""})).status == 422
    assert (await office.call("POST", "/fence/release", {"reason": "  "})).status in {409, 422}
    assert (await office.call("GET", "/fence")).json["fenced"] is True
    lifted = await office.call("POST", "/fence/release", {"reason": "the machine burnt"})
    assert (lifted.status, lifted.json) == (200, {"fenced": False})
    (entry,) = await office.store.latest_entries(1)
    assert entry.deed.act.reason == "the machine burnt"
