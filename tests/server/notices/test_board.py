"""The notice board's file: read whole, or refused with the place and what to write."""

from datetime import date, time
from pathlib import Path

import pytest

from server.incidents.intervals import Span
from server.notices.board import Board, BoardError, load_board
from server.oncall.escalation import Escalation, Step
from server.oncall.rota import Override
from tests.server.notices.boards import BOARD, TEXT
from tests.server.oncall.rotas import STOCKHOLM, at


def test_it_is_read_as_it_is_written() -> None:
    rota = BOARD.rota
    assert rota is not None
    assert rota[:4] == (STOCKHOLM, date(2026, 11, 2), time(9), ("anna", "bo", "cilla"))
    night = Span(at("2026-11-04T19:00:00Z"), at("2026-11-05T06:00:00Z"))
    assert rota.overrides == (Override("bo", night),)
    assert BOARD.link == "https://otp.example.org"
    assert BOARD.internal_hosts == {"hooks.internal"}
    assert (sorted(BOARD.people), sorted(BOARD.subscribers)) == (
        ["anna", "bo", "cilla"],
        ["ops-room", "planners"],
    )
    assert BOARD.subscribers["planners"].wants == ("maintenance",)
    assert BOARD.hours is not None


def test_without_steps_everybody_has_heard_before_fifteen_minutes() -> None:
    usual = (Step(0, ("on-call",)), Step(5, ("on-call", "next")), Step(10, ("everybody",)))
    assert BOARD.escalation == Escalation(usual, 15)


def test_an_empty_file_tells_nobody() -> None:
    board = Board.parse("", "notices.toml")
    assert (board.people, board.subscribers, board.mail, board.rota) == ({}, {}, None, None)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('zone = "Europe/Stockholm"', 'zone = "Europe/Atlantis"', "rota.zone is a name like"),
        ('"bo", "cilla"]', '"bo", "dag"]', "dag is called, and there is no [[person]]"),
        ('turns = ["anna", "bo", "cilla"]', "turns = []", "rota.turns names nobody"),
        ("first = 2026-11-02", 'first = "2026-11-02"', "rota.first: "),
        ("hand_over = 09:00:00", "hand_over = 09:00:01", "rota.hand_over is a time on the wall"),
        ("start = 2026-11-04T20:00:00", "start = 2027-03-28T02:30:00", "does not exist in"),
        ("end = 2026-11-05T06:00:00Z", "end = 2026-11-04T19:00:00Z", "ends before it begins"),
        ('name = "anna"', 'name = "Anna"', "person.1.name: an operator's name has"),
        ('name = "cilla"', 'name = "bo"', "a person's name is there twice"),
        ('email = "anna@example.org"', "", "anna cannot be reached: give email or webhook"),
        ('email = "anna@example.org"', 'email = "anna"', "must look like name@example.org"),
        ('secret_file = "/etc/keystead/bo"', "", "webhook and secret_file belong together"),
        ('secret_file = "/etc/keystead/bo"', 'secret_file = "bo"', "named by its whole path"),
        ("https://pager.example.net/bo", "http://pager.example.net/bo", "is told over https"),
        ("https://pager.example.net/bo", "https://127.0.0.1/bo", "private, local or reserved"),
        ("https://pager.example.net/bo", "https://u:p@pager.example.net/", "no user, password"),
        ("https://pager.example.net/bo", "ftp://pager.example.net/", "told over https"),
        ('user = "keystead"', "", "user and password_file belong together"),
        ('host = "smtp.example.org"', 'host = "smtp.example.org"\nsecurity = "none"', "localhost"),
        ("Keystead <keystead@example.org>", "Keystead", "must look like name@example.org"),
        ("Keystead <keystead@example.org>", "A\\nBcc: x <a@example.org>", "write an address"),
        ("https://otp.example.org/", "http://otp.example.org/", "link: write https://HOST"),
        ("https://otp.example.org/", "https://otp.example.org/?a=b", "link: write https://HOST"),
        ('wants = ["maintenance"]', 'wants = ["gossip"]', "subscriber.2.wants.1: "),
        ("[hours]", "[[step]]\nafter_minutes = 3\ncall = []\n[hours]", "a step calls nobody"),
        ("[hours]", '[[step]]\nafter_minutes = 3\ncall = ["x"]\n[hours]', "x is called, and there"),
        ('link = "', 'step = []\nlink = "', "there is no step"),
        ('link = "', 'snack = "', "snack: "),
        ('link = "', "link = ", "not TOML"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(old: str, new: str, words: str) -> None:
    assert old in TEXT
    with pytest.raises(BoardError) as refusal:
        Board.parse(TEXT.replace(old, new, 1), "notices.toml")
    assert str(refusal.value).startswith("notices.toml: ")
    assert words in str(refusal.value)


def test_steps_come_in_the_order_of_their_minutes() -> None:
    steps = "".join(
        f'[[step]]\nafter_minutes = {minutes}\ncall = ["on-call"]\n' for minutes in (5, 5)
    )
    with pytest.raises(BoardError, match="each later than the last"):
        Board.parse(TEXT + steps, "notices.toml")


def test_people_need_a_rota_and_letters_a_server() -> None:
    person = '[[person]]\nname = "anna"\nemail = "anna@example.org"\n'
    with pytest.raises(BoardError, match=r"needs a table \[mail\]"):
        Board.parse(person, "notices.toml")
    mail = '[mail]\nhost = "smtp.example.org"\nsender = "a@example.org"\n'
    with pytest.raises(BoardError, match=r"write a table \[rota\]"):
        Board.parse(person + mail, "notices.toml")


def test_a_file_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    file = tmp_path / "notices.toml"
    with pytest.raises(BoardError, match="cannot be read: No such file"):
        load_board(file)
    file.write_bytes(b"\xff")
    with pytest.raises(BoardError, match="not UTF-8"):
        load_board(file)
    file.write_text(TEXT)
    assert load_board(file).people.keys() == BOARD.people.keys()
    file.write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(BoardError, match="larger than"):
        load_board(file)
