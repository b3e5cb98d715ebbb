"""Calls while the server is away: by the rota, again until somebody answers, each noted."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from hsm.journalkey import JournalKey
from server.incidents.schedule import Schedule
from server.incidents.states import Step
from server.notices.board import Board
from server.notices.link import LinkError
from server.notices.message import Message
from server.notices.sending import Fate, Outcome, Way
from server.probing.calling import MOST_ATTEMPTS, Caller
from server.probing.links import Links
from server.probing.standing import Standing
from server.probing.vigil import Local, Vigil
from server.storage.spool import Spool
from tests.server.still_clock import NOW_US, StillClock

BOARD = Board.parse(
    """\
[mail]
host = "127.0.0.1"
security = "none"
sender = "prober@example.org"

[[person]]
name = "ann"
email = "ann@example.org"

[[person]]
name = "bob"
email = "bob@example.org"
webhook = "https://pager.example.net/bob"
secret_file = "/etc/keystead/bob"

[rota]
zone = "Europe/Stockholm"
first = 2026-11-16
hand_over = 09:00:00
turns = ["ann", "bob"]

[[subscriber]]
name = "room"
email = "room@example.org"

[[subscriber]]
name = "planners"
email = "planners@example.org"
wants = ["maintenance"]
""",
    "notices.toml",
)
FAILING = Standing(failing=True, bad=2, since_us=NOW_US, why="no connection")


class Post:
    """A way out that notes what goes. fates: of the next attempts, then delivered."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, Message]] = []
        self.fates: list[Fate] = []

    async def send(self, place: str, name: str, message: Message) -> Outcome:
        self.sent.append((place, name, message))
        return Outcome(self.fates.pop(0) if self.fates else Fate.DELIVERED, "said")

    def places(self) -> list[str]:
        return sorted(place for place, _, _ in self.sent)


class Room(NamedTuple):
    """A prober's vigil with everything that calls."""

    clock: StillClock
    spool: Spool
    vigil: Vigil
    post: Post
    caller: Caller
    links: Links

    def local(self) -> Local:
        local = self.vigil.local()
        assert local is not None
        return local

    def notes(self) -> list[str]:
        return [one.text for one in self.local().history if one.step is Step.NOTE]


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    clock, spool, post = StillClock(), Spool.open(tmp_path / "spool.db"), Post()
    vigil = Vigil(spool, prober="prober", clock=clock, schedule=Schedule())
    links = Links(
        JournalKey.generate(), base="https://prober.example", salt=b"s", people=BOARD.people
    )
    senders: Mapping[Way, Post] = {Way.EMAIL: post, Way.WEBHOOK: post}
    caller = Caller(vigil, spool, board=BOARD, senders=senders, clock=clock, link=links.make)
    vigil.consider(FAILING, away=True)
    yield Room(clock, spool, vigil, post, caller, links)
    spool.close()


async def test_who_is_on_call_and_who_wants_to_know_are_told_once(room: Room) -> None:
    for _ in range(3):
        await room.caller.turn(away=True)
    assert room.post.places() == ["ann@example.org", "room@example.org"]
    assert len(room.notes()) == 2
    assert any(note.startswith("ann was told by email") for note in room.notes())


async def test_without_an_answer_more_people_are_called(room: Room) -> None:
    await room.caller.turn(away=True)
    room.clock.pass_by(300)
    room.post.sent.clear()
    await room.caller.turn(away=True)
    expected = ["ann@example.org", "bob@example.org", "https://pager.example.net/bob"]
    assert room.post.places() == expected


async def test_after_a_leap_of_the_clock_everybody_is_called_once_and_not_for_all_that_went_by(
    room: Room,
) -> None:
    await room.caller.turn(away=True)
    for seconds in (24 * 3_600, 3_650 * 86_400):
        room.clock.pass_by(seconds)
        room.post.sent.clear()
        await room.caller.turn(away=True)
        assert len(room.post.sent) <= 3  # ann by e-mail, bob by both his ways
        assert len(set(room.post.places())) == len(room.post.sent)


async def test_after_an_acknowledgement_nobody_is_called_and_subscribers_hear_of_it(
    room: Room,
) -> None:
    await room.caller.turn(away=True)
    room.clock.pass_by(60)
    room.vigil.acknowledge("ann")
    room.clock.pass_by(3_600)
    room.post.sent.clear()
    await room.caller.turn(away=True)
    assert room.post.places() == ["room@example.org"]
    assert "somebody works on it" in room.post.sent[0][2].subject


async def test_what_fails_is_tried_again_later_and_given_up_at_last(room: Room) -> None:
    room.vigil.acknowledge("ann")  # so that only the room is told: of both records
    room.post.fates = [Fate.FAILED] * 100
    await room.caller.turn(away=True)
    await room.caller.turn(away=True)
    assert len(room.post.sent) == 2  # not again at once
    room.clock.pass_by(6)
    await room.caller.turn(away=True)
    assert len(room.post.sent) == 4
    # The same message, so that a mailbox may show it once.
    assert len({message.message_id for _, _, message in room.post.sent}) == 2
    assert room.notes() == []
    for _ in range(MOST_ATTEMPTS):
        room.clock.pass_by(121)
        await room.caller.turn(away=True)
    assert len(room.post.sent) == 2 * MOST_ATTEMPTS
    assert [note.startswith("room could not be told") for note in room.notes()] == [True, True]


async def test_what_is_refused_for_good_is_not_tried_again(room: Room) -> None:
    room.post.fates = [Fate.REFUSED] * 2
    await room.caller.turn(away=True)
    room.clock.pass_by(60)
    await room.caller.turn(away=True)
    assert len(room.post.sent) == 2


async def test_what_was_sent_is_not_sent_again_after_a_new_start(room: Room) -> None:
    await room.caller.turn(away=True)
    again = Caller(
        room.vigil,
        room.spool,
        board=BOARD,
        senders={Way.EMAIL: room.post, Way.WEBHOOK: room.post},
        clock=room.clock,
        link=room.links.make,
    )
    room.post.sent.clear()
    await again.turn(away=True)
    assert room.post.sent == []


async def test_once_the_server_has_it_the_server_calls(room: Room) -> None:
    local = room.local()
    room.vigil.handed_in(local.reference, 7, local.incident.state)
    await room.caller.turn(away=False)
    assert room.post.sent == []
    await room.caller.turn(away=True)
    assert room.post.sent


async def test_a_call_has_a_link_that_is_the_persons_own(room: Room) -> None:
    await room.caller.turn(away=True)
    (text,) = [message.text for place, _, message in room.post.sent if place == "ann@example.org"]
    assert "The response is due at 2026-11-21T12:15:00Z." in text
    url = next(line for line in text.splitlines() if line.startswith("https://prober.example/ack/"))
    token, now_s = url.rpartition("/")[2], NOW_US // 1_000_000
    assert await room.links.read(token, room.local(), now_s) == "ann"
    with pytest.raises(LinkError, match="too old"):
        await room.links.read(token, room.local(), now_s + 25 * 3_600)
    with pytest.raises(LinkError, match="not here any more"):
        await room.links.read(token, None, now_s)
    other = room.local()._replace(reference="f" * 32)
    with pytest.raises(LinkError, match="not here any more"):
        await room.links.read(token, other, now_s)
    strange = Links(JournalKey.generate(), base="x", salt=b"s", people=BOARD.people)
    with pytest.raises(LinkError, match="not one that was sent from here"):
        await strange.read(token, room.local(), now_s)
    gone = Links(room.links._signer, base="x", salt=b"s", people={"bob": 1})
    with pytest.raises(LinkError, match="notice board"):
        await gone.read(token, room.local(), now_s)


def test_without_an_address_of_its_own_the_prober_sends_no_links(room: Room) -> None:
    silent = Links(JournalKey.generate(), base="", salt=b"s", people=BOARD.people)
    assert silent.make(room.local(), "ann", 1) == ""
