"""Notices with real processes: a person is called, acknowledges by a link, and all of it is proved.

Workers on SQLite ask the control process about a link, workers on PostgreSQL look for themselves.
"""

import re
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.keystead_process import KeysteadProcess
from tests.system.post import SECRET, Post

BO, ZOE = "bo@example.org", "zoe@customer.example"
OPEN = ["incident", "open", "Nobody gets an answer", "--unavailable"]


@pytest.fixture(scope="module")
def post(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Post]:
    with Post(tmp_path_factory.mktemp("post")) as post:
        yield post


@pytest.fixture(scope="module")
def service(
    tmp_path_factory: pytest.TempPathFactory, database: str | None, post: Post
) -> Iterator[KeysteadProcess]:
    """Run a service with two workers, and a notice board that is changed while it serves."""
    post.box.letters.clear()
    post.hooks.received.clear()
    post.write_board("http://localhost:9", "anna")
    with KeysteadProcess(tmp_path_factory.mktemp("service") / "var") as keystead:
        keystead.init(*([] if database is None else ["--database", database]))
        store = "" if database is None else f'[store]\ndatabase = "{database}"\n'
        keystead.configure(f'{store}[notices]\nfile = "{post.board_file}"\n')
        ready = keystead.start(workers=2)
        verify = urlsplit(ready.verify_url)
        post.write_board(f"{verify.scheme}://localhost:{verify.port}", "bo")

        def on_call() -> str:
            shifts = keystead.cli("oncall", "show")["shifts"]
            name: str = shifts[0]["person"]
            return name

        keystead.wait_until(lambda: on_call() == "bo")
        keystead.cli(
            "customer", "add", "Zoë AB", "--entity", "ab", "--plan-from", "2026-06-01",
            "--validation",
        )  # fmt: skip
        keystead.cli("contact", "add", "1", "Zoë", "--email", ZOE, "--kind", "incident")
        yield keystead


def press(url: str) -> tuple[int, str]:
    request = urllib.request.Request(url, data=b"acknowledge=yes", method="POST")  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - loopback
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def state(keystead: KeysteadProcess, number: int = 1) -> str:
    shown: str = keystead.cli("incident", "show", str(number))["state"]
    return shown


def test_a_person_is_called_and_acknowledges_by_the_button_of_a_link(
    service: KeysteadProcess, post: Post
) -> None:
    service.cli(*OPEN, "--tell", "We are looking into it.")
    number = service.cli(*OPEN, "--component", "upload")["id"]

    def links() -> list[str]:
        texts = [text for text in post.letters(BO) if f"Incident {number}," in text]
        return [link for text in texts for link in re.findall(r"http://\S+/status/ack/\S+", text)]

    service.wait_until(links)
    link = links()[0]
    page = service.get(link)
    assert (page.code, "You are <strong>bo</strong>" in page.text) == (200, True)
    for _ in range(8):  # by whichever worker
        assert service.get(link).code == 200
    assert state(service, number) == "open"
    code, text = press(link)
    assert (code, "Acknowledged by bo" in text) == (200, True)
    assert state(service, number) == "acknowledged"
    assert "acknowledged by on-call bo" in press(link)[1]
    forged = link[:-10] + ("A" * 10 if link[-10:] != "A" * 10 else "B" * 10)
    assert press(forged)[0] == 404
    (entry, *_) = service.cli("journal", "list", "--about", f"incident:{number}")["entries"][::-1]
    assert (entry["action"], entry["actor"]["kind"]) == ("incident.acknowledge", "on-call")


def test_customers_and_subscribers_are_told_and_all_of_it_is_listed_and_in_the_ledger(
    service: KeysteadProcess, post: Post, tmp_path: Path
) -> None:
    service.wait_until(lambda: any("looking into it" in text for text in post.letters(ZOE)))
    service.wait_until(
        lambda: (
            {hook.headers["webhook-id"] for hook in post.hooks.received}
            and all(
                one["standing"] != "waiting" for one in service.cli("notice", "list")["notices"]
            )
        )
    )
    assert all(hook.is_signed_with(SECRET) for hook in post.hooks.received)
    notices = service.cli("notice", "list", "--about", "incident:1")["notices"]
    told = {(one["recipient"]["name"], one["occasion"]) for one in notices}
    assert ("1", "incident.updated") in told
    assert ("ops", "incident.opened") in told
    assert {one["standing"] for one in notices} <= {"delivered", "in-vain"}
    # What is kept of it for good says that, not to which address.
    ledger = tmp_path / "ledger.jsonl"
    assert service.run("incident", "export", str(ledger)).code == 0
    text = ledger.read_text()
    assert text.count('"kind":"notice"') >= len(notices)
    assert "example" not in text
    assert "/status/ack/" not in service.log_text()


def test_who_is_killed_while_sending_sends_it_again_and_a_spoilt_board_silences_nobody(
    tmp_path: Path, post: Post
) -> None:
    post.write_board("http://localhost:9", "bo")
    post.box.letters.clear()
    post.box.hold()
    with KeysteadProcess(tmp_path / "var") as keystead:
        keystead.init()
        keystead.configure(f'[notices]\nfile = "{post.board_file}"\n')
        keystead.start()
        keystead.cli(*OPEN)
        keystead.wait_until(lambda: post.letters(BO))
        keystead.kill()
        post.let_letters_through()
        # A dead holder's lease ends by itself within half a minute; here time is made to pass.
        with closing(sqlite3.connect(keystead.directory / "keystead.db")) as database:
            database.execute("UPDATE lease SET expires_us = 0")
            database.commit()
        keystead.start()

        def first() -> dict[str, str]:
            called = keystead.cli("notice", "list", "--about", "incident:1")["notices"]
            one: dict[str, str] = next(one for one in called if one["occasion"] == "call")
            return one

        keystead.wait_until(lambda: first()["standing"] == "delivered")
        wanted = f"<{first()['id']}@example.org>"
        ids = [str(one.message["Message-ID"]) for one in post.box.letters if BO in one.recipients]
        assert ids.count(wanted) >= 2
        begun = keystead.cli("notice", "test", "anna", "--reason", "new phone")["notices"]
        keystead.wait_until(lambda: post.letters("anna@example.org"))
        assert begun[0]["recipient"]["place"] == "anna@example.org"
        good = post.board_file.read_text()
        post.board_file.write_text("turns = [")

        def complaint() -> str:
            said: str = keystead.cli("oncall", "show")["complaint"]
            return said

        keystead.wait_until(lambda: "not TOML" in complaint())
        assert keystead.run("notice", "check", str(post.board_file), data=False).code == 1
        assert keystead.cli("oncall", "show")["shifts"][0]["person"] == "bo"
        post.board_file.write_text(good)
