"""The admin API on the journal: every change is told with who and why, and can be proved."""

from pathlib import Path

import pytest

from hsm.journalkey import parse_public
from server.journal.acts import Actor
from server.journal.checkpoint import Checkpoint, PublicKeys
from server.journal.entry import Entry
from server.journal.export import end_of_json
from server.local_users import this_process
from tests.server.web.office import KEY, Office, open_office

LINE = b"1,cccccccccccb,0a0b0c0d0e0f,00112233445566778899aabbccddeeff,,,\n"


async def test_every_change_is_told_with_who_and_why(office: Office) -> None:
    why = "?reason=Zo%C3%AB%20asked%20%26%20I%20agreed"
    limit = {"rate": 5, "burst": 9, "reason": "Zoë asked & I agreed"}
    calls: list[tuple[str, str, object, str]] = [
        ("POST", f"/clients{why}", {"name": "one"}, "client.add"),
        ("PATCH", f"/clients/1{why}", {"signed_only": True}, "client.options"),
        ("PUT", "/clients/1/limit", limit, "client.limit"),
        ("DELETE", f"/clients/1/limit{why}", None, "client.limit_default"),
        ("POST", f"/clients/1/rotate{why}", None, "client.rotate"),
        ("POST", f"/clients/1/rotate/finish{why}", None, "client.rotate_finish"),
        ("POST", f"/clients/1/disable{why}", None, "client.disable"),
        ("POST", f"/clients/1/enable{why}", None, "client.enable"),
    ]
    for method, path, body, _ in calls:
        assert (await office.call(method, path, body)).status < 300
    upload = f"/keys/import{why}&format=ksm"
    assert (await office.call("POST", upload, raw=LINE, content_type="text/csv")).status == 200
    for verb in ("disable", "enable"):
        assert (await office.call("POST", f"/keys/cccccccccccb/{verb}{why}")).status == 200
    page = (await office.call("GET", "/journal")).json
    told = [Entry.of_json(value).deed.act for value in page["entries"]]
    assert {act.reason for act in told} == {"Zoë asked & I agreed"}
    assert {act.actor for act in told} == {this_process()}
    actions = [*(action for *_, action in calls), "key.import", "key.disable", "key.enable"]
    assert [act.action for act in told] == actions


async def test_the_actor_is_who_the_kernel_says(tmp_path: Path) -> None:
    office = await open_office(tmp_path, identify=lambda _: 0)
    await office.call("POST", "/clients", {"name": "one"})
    (entry,) = (await office.call("GET", "/journal/latest")).json["entries"]
    assert Entry.of_json(entry).deed.act.actor == Actor("local", "0(root)")
    await office.serving.stop()


@pytest.mark.parametrize("reason", ["a%0Ab", "x" * 201, "%E2%80%AEgpj"])
async def test_a_reason_that_cannot_be_shown_changes_nothing(office: Office, reason: str) -> None:
    await office.call("POST", "/clients", {"name": "one"})
    refused = await office.call("POST", f"/clients/1/disable?reason={reason}")
    assert refused.status == 422
    assert "reason" in refused.json["detail"]
    assert (await office.call("GET", "/clients/1")).json["active"]
    assert len((await office.call("GET", "/journal")).json["entries"]) == 1


async def test_a_query_that_is_not_understood_changes_nothing(office: Office) -> None:
    await office.call("POST", "/clients", {"name": "one"})
    for query in ("?raeson=x", "?reason=a&reason=b"):
        assert (await office.call("POST", f"/clients/1/disable{query}")).status == 400
    assert (await office.call("GET", "/clients/1")).json["active"]


async def test_entries_are_listed_in_pages_with_the_journals_end(office: Office) -> None:
    for number in range(5):
        await office.call("POST", "/clients", {"name": f"client {number}"})
    await office.call("POST", "/clients/2/disable")
    page = (await office.call("GET", "/journal?after=1&limit=3")).json
    assert [value["sequence"] for value in page["entries"]] == [2, 3, 4]
    assert page["next"] == 4
    rest = (await office.call("GET", "/journal?after=4&limit=3")).json
    assert [value["sequence"] for value in rest["entries"]] == [5, 6]
    assert rest["next"] is None
    assert end_of_json(rest["end"]) == Entry.of_json(rest["entries"][-1]).end
    about = (await office.call("GET", "/journal?kind=client&id=2")).json["entries"]
    assert [value["action"] for value in about] == ["client.add", "client.disable"]
    last = (await office.call("GET", "/journal/latest?limit=1&kind=client&id=2")).json["entries"]
    assert [value["sequence"] for value in last] == [6]
    assert (await office.call("GET", "/journal/6")).json == last[0]
    assert (await office.call("GET", "/journal?kind=key")).json["entries"] == []


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/journal/1", 404),
        ("/journal/0", 404),
        ("/journal/first", 404),
        ("/journal?id=2", 400),
        ("/journal?after=-1", 400),
        ("/journal?more=1", 400),
        ("/journal/latest?after=1", 400),
        ("/journal/checkpoints?kind=x", 400),
        ("/journal/key?x=1", 400),
    ],
)
async def test_what_cannot_be_answered_is_a_problem(office: Office, path: str, status: int) -> None:
    answer = await office.call("GET", path)
    assert (answer.status, answer.json["status"]) == (status, status)


async def test_a_checkpoint_made_on_demand_can_be_verified(office: Office) -> None:
    await office.call("POST", "/clients", {"name": "one"})
    made = await office.call("POST", "/journal/checkpoints")
    assert made.status == 201
    checkpoint = Checkpoint.of_json(made.json)
    key = (await office.call("GET", "/journal/key")).json
    assert key["key"] == made.json["key"]
    assert parse_public(key["public_key"]) == [KEY.public_key]
    assert PublicKeys([KEY.public_key]).doubt(checkpoint) is None
    await office.call("POST", "/journal/checkpoints")
    pages = [(await office.call("GET", f"/journal/checkpoints{q}")).json for q in ("?limit=1", "")]
    assert pages[0] == {"checkpoints": [made.json], "next": 1}
    assert len(pages[1]["checkpoints"]) == 2


async def test_a_journal_that_was_tampered_with_is_not_signed_but_can_be_read(
    office: Office,
) -> None:
    for _ in range(2):
        await office.call("POST", "/clients", {"name": "one"})
    office.store._journal[0] = office.store._journal[0]._replace(time_us=0)
    refused = await office.call("POST", "/journal/checkpoints")
    assert refused.status == 409
    assert "entry 1 was altered" in refused.json["detail"]
    assert len((await office.call("GET", "/journal")).json["entries"]) == 2
