"""What a link does: looked at nothing, pressed it acknowledges for that person, once, in time."""

import asyncio
import re

import pytest

from hsm.journalkey import JournalKey
from server.incidents.record import Author, AuthorKind, State
from server.notices.acknowledging import Verdict
from server.notices.board import Board
from server.notices.link import AcknowledgementLink, person_mark
from server.storage.identity import KEYS_READ_EVERY_S, introduce_journal_key
from tests.server.notices.boards import TEXT
from tests.server.notices.house import EVE, KEY, SALT, House


@pytest.fixture
async def house() -> House:
    return House()


def token(house: House, incident_id: int = 1, person: str = "anna", *, late_s: int = 3600) -> str:
    now_s = house.clock.now_us() // 1_000_000
    return AcknowledgementLink(incident_id, person_mark(SALT, person), now_s + late_s).sign(KEY)


async def test_looking_changes_nothing_however_often(house: House) -> None:
    before = await house.open()
    link = token(house)
    for _ in range(5):
        found = await house.links.acknowledgement(link, press=False)
        assert (found.verdict, found.person, found.title) == (
            Verdict.READY,
            "anna",
            "Nobody gets an answer",
        )
    assert await house.store.incident(1) == before


async def test_pressing_acknowledges_in_the_name_of_that_person(house: House) -> None:
    await house.open()
    found = await house.links.acknowledgement(token(house), press=True)
    assert (found.verdict, found.by) == (Verdict.DONE, "on-call anna")
    incident = await house.store.incident(1)
    assert incident is not None
    assert incident.state is State.ACKNOWLEDGED
    record = incident.history[-1]
    assert record.author == Author(AuthorKind.OPERATOR, "on-call anna")
    assert record.author.is_person
    assert incident.acknowledged_us == house.clock.now_us()
    (entry,) = await house.store.latest_entries(1)
    assert str(entry.deed.act.actor) == "on-call anna"


async def test_pressing_again_is_as_good_as_once(house: House) -> None:
    await house.open()
    for person in ("anna", "anna", "bo"):
        await house.links.acknowledgement(token(house, person=person), press=True)
    found = await house.links.acknowledgement(token(house, person="bo"), press=True)
    assert (found.verdict, found.by) == (Verdict.ANSWERED, "on-call anna")
    incident = await house.store.incident(1)
    assert incident is not None
    assert len([one for one in incident.history if one.step.value == "acknowledged"]) == 1


async def test_of_two_who_press_at_once_one_has_it_and_the_other_is_told(house: House) -> None:
    await house.open()
    found = await asyncio.gather(
        *(
            house.links.acknowledgement(token(house, person=name), press=True)
            for name in ("anna", "bo")
        )
    )
    assert sorted(one.verdict for one in found) == [Verdict.ANSWERED, Verdict.DONE]
    assert len({one.by for one in found}) == 1


async def test_a_link_is_for_its_incident_alone(house: House) -> None:
    await house.open()
    await house.incidents.dismiss(1, cause=EVE)
    await house.open()
    await house.links.acknowledgement(token(house, 1), press=True)
    other = await house.store.incident(2)
    assert other is not None
    assert other.state is State.OPEN
    found = await house.links.acknowledgement(token(house, 3), press=True)
    assert (found.verdict, found.words) == (
        Verdict.REFUSED,
        "there is no such incident any more",
    )


async def test_a_link_that_is_too_old_acknowledges_nothing(house: House) -> None:
    await house.open()
    link = token(house, late_s=60)
    house.clock.pass_by(60)
    found = await house.links.acknowledgement(link, press=True)
    assert found.verdict is Verdict.REFUSED
    assert "too old" in found.words
    assert found.title == ""
    incident = await house.store.incident(1)
    assert incident is not None
    assert incident.state is State.OPEN


async def test_a_forged_link_shows_nothing_of_the_incident(house: House) -> None:
    await house.open()
    link = token(house)
    forged = link[:20] + ("A" if link[20] != "A" else "B") + link[21:]
    for press in (False, True):
        found = await house.links.acknowledgement(forged, press=press)
        assert (found.verdict, found.title, found.incident_id) == (Verdict.REFUSED, "", 0)


async def test_who_is_on_the_board_no_more_acknowledges_nothing(house: House) -> None:
    await house.open()
    link = token(house, person="cilla")
    without = TEXT.replace('"bo", "cilla"]', '"bo"]').replace(
        '[[person]]\nname = "cilla"\nemail = "cilla@example.org"\n', ""
    )
    house.board.put_up(Board.parse(without, "x"))
    found = await house.links.acknowledgement(link, press=True)
    assert (found.verdict, found.title) == (Verdict.REFUSED, "")


async def test_what_is_over_cannot_be_acknowledged(house: House) -> None:
    await house.open()
    await house.incidents.dismiss(1, cause=EVE)
    found = await house.links.acknowledgement(token(house), press=True)
    assert found.verdict is Verdict.OVER


async def test_a_link_of_another_machine_on_the_same_store_is_good(house: House) -> None:
    await house.open()
    other = JournalKey.generate()
    now_s = house.clock.now_us() // 1_000_000
    link = AcknowledgementLink(1, person_mark(SALT, "bo"), now_s + 60).sign(other)
    assert (await house.links.acknowledgement(link, press=True)).verdict is Verdict.REFUSED
    await introduce_journal_key(house.store, other.public_key, cause=EVE)
    # All keys are read anew once in a while, whatever is asked for meanwhile.
    assert (await house.links.acknowledgement(link, press=True)).verdict is Verdict.REFUSED
    house.clock.pass_by(KEYS_READ_EVERY_S)
    assert (await house.links.acknowledgement(link, press=True)).verdict is Verdict.DONE


async def test_made_up_links_keep_no_link_of_another_machine_from_working(house: House) -> None:
    await house.open()
    other = JournalKey.generate()
    await introduce_journal_key(house.store, other.public_key, cause=EVE)
    now_s = house.clock.now_us() // 1_000_000
    link = AcknowledgementLink(1, person_mark(SALT, "bo"), now_s + 60)
    for _ in range(3):
        made_up = link.sign(JournalKey.generate())
        found = await house.links.acknowledgement(made_up, press=True)
        assert found.verdict is Verdict.REFUSED
    assert (await house.links.acknowledgement(link.sign(other), press=True)).verdict is Verdict.DONE


async def test_a_link_from_before_it_was_opened_again_acknowledges_nothing(house: House) -> None:
    await house.dispatcher.begin()
    await house.open()
    await house.dispatcher.turn()
    (old,) = sent_links(house)
    await house.incidents.dismiss(1, cause=EVE)
    house.clock.pass_by(60)
    await house.incidents.reopen(1, cause=EVE)
    for press in (False, True):
        found = await house.links.acknowledgement(old, press=press)
        assert (found.verdict, found.title) == (Verdict.REFUSED, "")
        assert "opened again" in found.words
    incident = await house.store.incident(1)
    assert incident is not None
    assert incident.state is State.OPEN
    await house.dispatcher.turn()
    _, new = sent_links(house)
    assert (await house.links.acknowledgement(new, press=True)).verdict is Verdict.DONE


def sent_links(house: House) -> list[str]:
    texts = "\n".join(sent.message.text for sent in house.post.sent)
    return re.findall(r"/status/ack/(\S+)$", texts, re.MULTILINE)
