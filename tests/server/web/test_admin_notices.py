"""The admin API on notices: what was told to whom, a test, and whose turn it is."""

import pytest

from server.notices.delivery import after_attempt
from server.notices.desk import NobodyToldError, NoticeDesk
from server.notices.sending import Fate, Outcome
from tests.server.acts import CAUSE
from tests.server.notices.boards import StillBoard
from tests.server.web.office import Office


async def test_a_test_is_on_its_way_by_all_of_a_persons_ways(office: Office) -> None:
    answer = await office.call("POST", "/notices/tests?reason=new%20phone", {"name": "bo"})
    assert answer.status == 202
    first, second = answer.json["notices"]
    assert first["recipient"] == {
        "role": "person",
        "name": "bo",
        "way": "email",
        "place": "bo@example.org",
        "customer": None,
    }
    assert second["recipient"]["way"] == "webhook"
    assert (first["about"], first["standing"], first["attempts"]) == ("test:bo", "waiting", 0)
    (entry,) = await office.store.latest_entries(1)
    assert (entry.deed.act.action, entry.deed.act.reason) == ("notice.test", "new phone")
    again = await office.call("POST", "/notices/tests", {"name": "bo"})
    assert [one["number"] for one in again.json["notices"]] == [3, 4]


async def test_what_became_of_a_delivery_is_shown(office: Office) -> None:
    await office.call("POST", "/notices/tests", {"name": "anna"})
    (delivery,) = await office.store.waiting_deliveries(9)
    office.clock.pass_by(60)
    done = after_attempt(delivery, Outcome(Fate.DELIVERED, "250 OK"), office.clock.now_us())
    await office.store.note_attempts([done], None)
    shown = (await office.call("GET", "/notices/1")).json
    assert (shown["standing"], shown["detail"], shown["next"]) == ("delivered", "250 OK", None)
    assert (shown["planned"], shown["ended"]) == ("2026-11-21T12:00:00Z", "2026-11-21T12:01:00Z")
    listed = await office.call("GET", "/notices?about=test:anna&standing=delivered")
    assert listed.json == {"notices": [shown], "next": None}
    for query in ("about=incident:1", "about=test:an", "standing=waiting", "after=1"):
        assert (await office.call("GET", f"/notices?{query}")).json["notices"] == []


async def test_pages_follow_each_other(office: Office) -> None:
    for _ in range(3):
        await office.call("POST", "/notices/tests", {"name": "anna"})
    first = (await office.call("GET", "/notices?limit=2")).json
    assert (len(first["notices"]), first["next"]) == (2, 2)
    rest = (await office.call("GET", "/notices?limit=2&after=2")).json
    assert ([one["number"] for one in rest["notices"]], rest["next"]) == ([3], None)


async def test_what_makes_no_sense_is_refused(office: Office) -> None:
    for query in ("about=incident", "about=:1", "about=x:1", "standing=x"):
        assert (await office.call("GET", f"/notices?{query}")).status == 400
    assert (await office.call("GET", "/notices/1")).status == 404
    unknown = await office.call("POST", "/notices/tests", {"name": "dag"})
    assert (unknown.status, unknown.json["detail"]) == (
        404,
        "nobody on the notice board is called dag",
    )
    assert (await office.call("POST", "/notices/tests", {"name": "Bad Name"})).status == 422
    assert (await office.call("GET", "/oncall?days=0")).status == 422
    assert (await office.call("GET", "/oncall?days=367")).status == 422


async def test_whose_turn_it_is_is_shown(office: Office) -> None:
    answer = await office.call("GET", "/oncall?days=7")
    assert answer.json == {
        "shifts": [
            {"person": "cilla", "start": "2026-11-21T12:00:00Z", "end": "2026-11-23T08:00:00Z"},
            {"person": "anna", "start": "2026-11-23T08:00:00Z", "end": "2026-11-28T12:00:00Z"},
        ],
        "complaint": "",
    }


async def test_without_a_board_nobody_is_told(office: Office) -> None:
    desk = NoticeDesk(office.store, None)
    with pytest.raises(NobodyToldError, match=r"name its file under \[notices\]"):
        await desk.test("anna", cause=CAUSE)
    with pytest.raises(NobodyToldError):
        await desk.turns(7)
    spoilt = NoticeDesk(office.store, StillBoard(complaint="not TOML"))
    assert (await spoilt.turns(7)).complaint == "not TOML"
