"""People are called until one answers; who is to be told is told once, whatever ends in between."""

import re

import pytest
import structlog

from server.accounts.customer_ports import ContactKind
from server.facts import NewFact
from server.incidents.severity import Severity
from server.journal.acts import SYSTEM, Actor, Cause
from server.maintenance.plan import Component
from server.notices.board import Board
from server.notices.delivery import MOST_ATTEMPTS, MOST_CALLS, Standing
from server.notices.link import AcknowledgementLink, person_mark
from server.notices.sending import Fate, Outcome, Sender, Way
from server.otp.ports import StoreUnavailableError
from server.reports import revisions
from server.reports.analysis import NEEDED
from server.storage.identity import StoredJournalKeys
from tests.server.notices.boards import TEXT
from tests.server.notices.house import EVE, KEY, SALT, House
from tests.server.reports.analyses import facts
from tests.server.storage.entries import a_client

INCIDENT = [ContactKind.INCIDENT]
OPS = "http://hooks.internal:8080/keystead"
PLANNERS = "planners@example.org"
ANNA, CILLA = "anna@example.org", "cilla@example.org"
BO = ["bo@example.org", "https://pager.example.net/bo"]
_LINK = re.compile(r"^https://otp\.example\.org/status/ack/(\S+)$", re.MULTILINE)
FAILED = Outcome(Fate.FAILED, "not now")
NOBODY = Cause(Actor(SYSTEM, "keystead"), "")


@pytest.fixture
async def house() -> House:
    house = House()
    await house.dispatcher.begin()
    return house


async def test_people_are_called_one_after_the_other_until_one_acknowledges(house: House) -> None:
    await house.open()
    assert sorted(await house.turn()) == [CILLA, OPS, OPS]  # opened, and its severity given
    assert await house.turn(after_s=299) == []
    assert sorted(await house.turn(after_s=1)) == [ANNA, CILLA]
    assert sorted(await house.turn(after_s=300)) == sorted([ANNA, CILLA, *BO])
    await house.incidents.acknowledge(1, cause=EVE)
    assert await house.turn(after_s=3600) == [OPS]


async def test_what_the_system_writes_ends_no_calls_and_what_a_person_tells_does(
    house: House,
) -> None:
    await house.open()
    await house.turn()
    await house.incidents.note(1, "restarted the service", cause=NOBODY)
    await house.incidents.note(1, "looking", cause=EVE)
    assert sorted(await house.turn(after_s=300)) == [ANNA, CILLA]
    await house.incidents.update(1, "We are looking into it.", cause=EVE)
    assert await house.turn(after_s=3600) == [OPS, OPS]  # who tells something has taken it on


async def test_nobody_is_woken_for_severity_3(house: House) -> None:
    await house.open(Severity.SEV_3)
    assert await house.turn() == [OPS, OPS]
    # Monday at five in Stockholm, the next Business Hour; anna's week begins at nine.
    monday_s = 40 * 3600
    assert await house.turn(after_s=monday_s - 1) == []
    assert await house.turn(after_s=1) == [CILLA]


async def test_a_call_has_a_link_of_its_own_for_each_person(house: House) -> None:
    await house.open()
    await house.dispatcher.turn()
    house.clock.pass_by(300)
    await house.dispatcher.turn()
    keys = StoredJournalKeys(house.store, house.clock, own=KEY.public_key)
    found = {}
    for _, place, message in house.post.sent:
        links = _LINK.findall(message.text)
        for token in links:
            now_s = house.clock.now_us() // 1_000_000
            link = await AcknowledgementLink.read(token, keys, now_s)
            assert link.incident_id == 1
            found[place] = link.person
    assert found == {CILLA: person_mark(SALT, "cilla"), ANNA: person_mark(SALT, "anna")}
    # Nowhere but in the message: what is stored, and programs get, has none.
    for one in await house.deliveries():
        assert "/status/ack/" not in one.notice.text + str(one.notice.payload)
    assert all("/status/ack/" not in str(sent.message.payload) for sent in house.post.sent)


async def test_without_a_link_on_the_board_a_call_names_the_command() -> None:
    house = House(Board.parse(TEXT.replace('link = "https://otp.example.org/"', "", 1), "x"))
    await house.dispatcher.begin()
    await house.open()
    await house.dispatcher.turn()
    texts = [sent.message.text for sent in house.post.sent if sent.place == CILLA]
    assert len(texts) == 1
    assert "keystead incident acknowledge 1" in texts[0]
    assert "/status/ack/" not in texts[0]


async def test_who_comes_back_is_called_once_and_not_for_every_step_that_went_by(
    house: House,
) -> None:
    await house.open()
    places = await house.turn(after_s=5 * 3600)
    assert sorted(places) == sorted([ANNA, CILLA, *BO, OPS, OPS])
    assert await house.turn() == []


async def test_a_call_that_waits_is_not_made_once_somebody_answered(house: House) -> None:
    await house.open()
    house.post.outcomes = [FAILED] * 3
    await house.turn()
    await house.incidents.acknowledge(1, cause=EVE)
    assert CILLA not in await house.turn(after_s=60)
    standings = {one.notice.recipient.name: one.standing for one in await house.deliveries()}
    assert standings["cilla"] is Standing.IN_VAIN


async def test_what_was_dismissed_and_is_open_again_is_called_for_anew(house: House) -> None:
    await house.open()
    await house.turn()
    await house.incidents.dismiss(1, cause=EVE)
    await house.turn(after_s=7200)
    await house.incidents.reopen(1, cause=EVE)
    assert CILLA in await house.turn()


async def test_what_fails_is_tried_again_under_the_same_id_and_given_up_after_a_day(
    house: House,
) -> None:
    await house.maintenance.schedule(
        Component.UPLOAD, "t", start="2026-12-01T00:00:00Z", end="2026-12-01T01:00:00Z", cause=EVE
    )
    house.post.outcomes = [FAILED] * 99
    ids = set()
    attempts = 0
    for _ in range(3 * 24 * 60):
        await house.dispatcher.turn()
        attempts += len(house.post.sent)
        ids |= {sent.message.message_id for sent in house.post.sent}
        house.post.sent.clear()
        house.clock.pass_by(60)
    assert (len(ids), attempts) == (2, 2 * MOST_ATTEMPTS)
    for one in await house.deliveries():
        assert (one.standing, one.attempts) == (Standing.GIVEN_UP, MOST_ATTEMPTS)
        assert one.ended_us is not None
        assert 20 * 3600 < (one.ended_us - one.created_us) / 1_000_000 < 30 * 3600
    assert len(house.store.proofs) == 2


async def test_a_call_is_given_up_sooner_and_what_is_refused_at_once(house: House) -> None:
    await house.open()
    house.post.outcomes = [Outcome(Fate.REFUSED, "no such user")]
    await house.turn()
    first = (await house.deliveries())[-1]
    assert (first.notice.recipient.name, first.standing) == ("cilla", Standing.GIVEN_UP)
    house.post.outcomes = [FAILED] * 99
    for _ in range(40):
        await house.turn(after_s=60)
    calls = [one for one in await house.deliveries() if one.notice.occasion == "call"]
    assert max(one.attempts for one in calls) == MOST_CALLS


class _Cut(Exception):  # noqa: N818 - stands for a crash
    pass


async def test_a_crash_between_sending_and_noting_sends_once_more_under_the_same_id(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.open()

    async def cut(*_: object) -> None:
        raise _Cut

    with monkeypatch.context() as patch:
        patch.setattr(house.store, "note_attempts", cut)
        with pytest.raises(_Cut):
            await house.dispatcher.turn()
    before = list(house.post.sent)
    house.dispatcher = house.a_dispatcher()
    house.post.sent.clear()
    await house.dispatcher.turn()
    assert house.post.sent == before
    house.post.sent.clear()
    assert await house.turn() == []


async def test_a_crash_between_planning_and_moving_on_tells_nobody_twice(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.open()

    async def cut(*_: object) -> None:
        raise StoreUnavailableError("away")

    with monkeypatch.context() as patch:
        patch.setattr(house.store, "advance_reader", cut)
        with pytest.raises(StoreUnavailableError):
            await house.dispatcher.turn()
    assert sorted(await house.turn()) == [CILLA, OPS, OPS]


async def test_what_happened_before_anybody_was_to_be_told_is_no_news() -> None:
    house = House()
    await house.open(Severity.SEV_4)
    await house.dispatcher.begin()
    assert OPS not in await house.turn()


async def test_a_fact_that_makes_no_sense_keeps_nobody_from_hearing_of_the_next(
    house: House,
) -> None:
    house.store.append_facts(
        [NewFact("incident.opened", "1", {}), NewFact("incident.opened", "x", {"public": 7})]
    )
    await house.maintenance.schedule(
        Component.UPLOAD, "t", start="2026-12-01T00:00:00Z", end="2026-12-01T01:00:00Z", cause=EVE
    )
    assert sorted(await house.turn()) == [OPS, PLANNERS]


async def test_customers_with_the_add_on_hear_of_maintenance_and_of_what_is_public(
    house: House,
) -> None:
    await house.customer("zoe", *INCIDENT)
    await house.customer("max", ContactKind.SUPPORT)
    await house.customer("none", *INCIDENT, validation=False)
    await house.maintenance.schedule(
        Component.VALIDATION,
        "Database upgrade",
        start="2026-12-01T00:00:00Z",
        end="2026-12-01T01:00:00Z",
        cause=EVE,
    )
    theirs = ["max@customer.example", "zoe@customer.example"]
    assert sorted(await house.turn()) == sorted([*theirs, OPS, PLANNERS])
    await house.open(public=False)
    assert sorted(await house.turn()) == [CILLA, OPS, OPS]
    await house.incidents.update(1, "Some OTPs are refused.", cause=EVE)
    assert sorted(await house.turn()) == sorted([*theirs, OPS, OPS])  # and taken on by eve


async def test_customers_hear_of_incidents_that_concern_their_clients_alone(house: House) -> None:
    for _ in range(2):
        await a_client(house.store)
    await house.customer("zoe", *INCIDENT, clients=[1])
    await house.customer("max", *INCIDENT, clients=[2])
    await house.open(public=False)
    await house.incidents.affect(1, [1], cause=EVE)
    await house.turn()
    await house.incidents.update(1, "Your OTPs are refused.", public=False, cause=EVE)
    await house.dispatcher.turn()
    told = {sent.place: sent.message for sent in house.post.sent}
    assert sorted(told) == [OPS, "zoe@customer.example"]
    assert "Your OTPs are refused." in told["zoe@customer.example"].text
    assert "eve" not in told["zoe@customer.example"].text


async def test_a_published_report_reaches_whom_it_concerns_without_what_is_internal(
    house: House,
) -> None:
    await a_client(house.store)
    await house.customer("zoe", *INCIDENT, clients=[1])
    await house.customer("max", *INCIDENT)
    drafted = facts()
    hers = drafted.model_copy(update={"incident": 1, "clients": (1,)})
    assert "Ask Bob." in str(hers.timeline)
    written = revisions.edit(dict.fromkeys(NEEDED, "Wir schrieben: größer."))
    for decision in (revisions.draft(hers), written, revisions.publish):
        await house.store.continue_report(1, decision, act=EVE.act("report"))
    await house.dispatcher.turn()
    told = {sent.place: sent.message for sent in house.post.sent}
    assert sorted(told) == [OPS, "zoe@customer.example"]
    text = told["zoe@customer.example"].text
    assert "Wir schrieben: größer." in text
    assert "Report: incident 1, revision 1" in text
    for inside in ("Bob", "burn rate", "password", "operator eve"):
        assert inside not in text
    assert "  12: " not in text  # another customer's client
    assert told[OPS].payload["data"]["revision"] == 1  # type: ignore[call-overload,index]
    house.post.sent.clear()
    # A publication of which the store knows nothing keeps nobody from hearing of the next.
    house.store.append_facts([NewFact("incident.report-published", "7", {"revision": 1})])
    assert await house.turn() == []


async def test_a_contact_who_is_removed_is_told_nothing_any_more(house: House) -> None:
    await house.customer("zoe", *INCIDENT)
    house.post.outcomes = [FAILED] * 9
    await house.open()
    await house.turn()
    await house.store.remove_contact(1, 1, act=EVE.act("contact.remove"))
    assert "zoe@customer.example" not in await house.turn(after_s=3600)
    hers = [one for one in await house.deliveries() if one.notice.recipient.role == "contact"]
    assert {(one.standing, one.notice.recipient.place) for one in hers} == {(Standing.GIVEN_UP, "")}


async def test_a_sender_that_breaks_keeps_no_other_message_from_being_noted(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.open()
    senders = house.post.senders

    class _Broken:
        async def send(self, *_: object) -> Outcome:
            raise RuntimeError("canary-4711")

    def some_break(board: Board) -> dict[Way, Sender]:
        return {**senders(board), Way.EMAIL: _Broken()}

    monkeypatch.setattr(house.post, "senders", some_break)
    house.dispatcher = house.a_dispatcher()
    with structlog.testing.capture_logs() as lines:
        assert await house.turn() == [OPS, OPS]
    by_way = {one.notice.recipient.way: one for one in await house.deliveries()}
    assert by_way[Way.WEBHOOK].standing is Standing.DELIVERED
    assert (by_way[Way.EMAIL].standing, by_way[Way.EMAIL].attempts) == (Standing.WAITING, 1)
    assert "canary" not in str(lines) + by_way[Way.EMAIL].detail


async def test_who_is_called_for_many_incidents_at_once_gets_one_letter_that_lists_them(
    house: House,
) -> None:
    for _ in range(20):
        await house.open()
    house.clock.pass_by(300)
    while await house.dispatcher.turn():
        pass
    letters = [sent for sent in house.post.sent if sent.place in {CILLA, ANNA}]
    assert sorted(sent.place for sent in letters) == [ANNA, CILLA]
    for _, _, message in letters:
        assert message.subject == "[Keystead] You are called for 20 incidents: 1, 2, 3, ..."
        numbers = re.findall(r"^keystead incident acknowledge (\d+)$", message.text, re.MULTILINE)
        assert sorted(map(int, numbers)) == list(range(1, 21))
        assert len(set(_LINK.findall(message.text))) == 20
    calls = [one for one in await house.deliveries() if one.notice.occasion == "call"]
    assert len(calls) == 40
    assert {(one.standing, one.attempts) for one in calls} == {(Standing.DELIVERED, 1)}
    # What the ledger has a digest of is in the letter word for word.
    texts = "".join(sent.message.text for sent in letters)
    assert all(f"{one.notice.words}\n\n{one.notice.text}" in texts for one in calls)
    house.post.sent.clear()
    assert (await house.turn(after_s=300)).count(ANNA) == 1


async def test_a_letter_of_many_calls_that_failed_is_tried_again_without_what_was_answered(
    house: House,
) -> None:
    await house.open()
    await house.open()
    house.post.outcomes = [FAILED] * 9
    await house.turn()
    await house.incidents.acknowledge(1, cause=EVE)
    house.post.outcomes.clear()
    house.clock.pass_by(60)
    await house.dispatcher.turn()
    (again,) = [sent.message for sent in house.post.sent if sent.place == CILLA]
    assert again.subject.startswith("[Keystead] Sev 1, incident 2: first call")
    calls = [one for one in await house.deliveries() if one.notice.occasion == "call"]
    assert [one.standing for one in calls] == [Standing.IN_VAIN, Standing.DELIVERED]
    assert calls[1].delivery_id == again.message_id
