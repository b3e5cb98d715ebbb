"""Reports over a real service: made, given away, proved with it and without; analyses published."""

import asyncio
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from server.accounts.customer_ports import CustomerTerms, Entity
from server.clock import SystemClock
from server.storage.sqlite.store import open_sqlite
from server.uptime.keeper import UptimeKeeper
from server.usage.kinds import KINDS
from server.usage.ports import MAX_PARCEL_ROWS, MinuteRow, Parcel
from tests.keystead_process import Ended, KeysteadProcess
from tests.server.acts import ACT
from validation.gcra import UNLIMITED, Policy

REGULATORY = '[incidents]\nregulatory = ["nis2"]\n'
# Nobody takes letters there: they stay where they can be seen.
BOARD = '[mail]\nhost = "localhost"\nport = 9\nsender = "k@example.org"\nsecurity = "none"\n'

TODAY = datetime.now(UTC).date().isoformat()


class Office(NamedTuple):
    """A service with a customer, two days of minutes and a place for files."""

    keystead: KeysteadProcess
    files: Path
    month: str

    def report(self, form: str) -> Path:
        """Write the customer's report in a format, once."""
        path = self.files / f"report.{form}"
        if not path.exists():
            words = ["--first", self.month, "--format", form, "--output", str(path)]
            self.well("report", "customer", "1", *words)
        return path

    def well(self, *arguments: str) -> Ended:
        """Run a command that must succeed."""
        ended = self.keystead.run(*arguments)
        assert ended.code == 0, ended.err
        return ended


async def fill(path: Path, first_minute: int) -> None:
    """Make a customer with two clients, count two days of answers, and roll them up."""
    policy = Policy(UNLIMITED, UNLIMITED)
    store = await open_sqlite(path, clock=SystemClock(), default_policy=policy, create=False)
    try:
        terms = CustomerTerms("Åkeri AB", Entity.AB, None, False)
        await store.add_customer(terms, act=ACT)
        for client, name in enumerate(("mail", "vpn"), 1):
            flags = {"signed_only": False, "phishing_test": False}
            await store.add_client(client, name, b"no key", **flags, act=ACT)
            await store.assign_client(client, 1, act=ACT)
        good = tuple(3 if kind == "ok" else 0 for kind in KINDS)
        bad = tuple({"ok": 1, "backend_error": 1}.get(kind, 0) for kind in KINDS)
        rows = [
            MinuteRow(minute, client, bad if minute % 500 == 0 else good)
            for minute in range(first_minute, first_minute + 2 * 1440, 5)
            for client in (1, 2)
        ]
        for number, at in enumerate(range(0, len(rows), MAX_PARCEL_ROWS), 1):
            await store.add_usage(Parcel("test", number, tuple(rows[at : at + MAX_PARCEL_ROWS])))
        lease = await store.acquire_lease("a test", "a test", 600_000_000)
        assert lease is not None
        keeper = UptimeKeeper(store, min_requests=1, left_out=(), kept_days=400)
        await keeper.work(lease)
    finally:
        await store.close()


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    files = tmp_path_factory.mktemp("reports")
    with KeysteadProcess(files / "var") as keystead:
        keystead.init()
        (files / "notices.toml").write_text(BOARD, "ascii")
        keystead.configure(f'{REGULATORY}[notices]\nfile = "{files / "notices.toml"}"\n')
        # The day before yesterday and the one before: closed whatever time it is.
        first = datetime.now(UTC).date() - timedelta(days=3)
        day = datetime(first.year, first.month, first.day, tzinfo=UTC)
        asyncio.run(fill(keystead.directory / "keystead.db", int(day.timestamp()) // 60))
        keystead.start()
        yield Office(keystead, files, day.strftime("%Y-%m"))


def test_a_report_is_the_same_in_every_format(office: Office) -> None:
    report = json.loads(office.report("json").read_text("utf-8"))
    assert [one["name"] for one in report["clients"]] == ["mail", "vpn"]
    assert report["clients"][0]["months"][0]["requests"]["good"] > 0
    assert "Åkeri AB" in office.report("text").read_text("utf-8")
    assert office.report("pdf").read_bytes().startswith(b"%PDF-")
    assert office.report("csv").read_text("utf-8").count("\n") >= 4


def test_the_service_proves_a_report(office: Office) -> None:
    result = office.keystead.cli("report", "verify", str(office.report("html")))
    assert (result["right"], result["format"], result["differences"]) == (True, "html", [])


def test_an_altered_report_is_found_without_any_service(office: Office) -> None:
    files, good = office.files, office.report("json")
    ledger, key, evidence = (str(files / name) for name in ("ledger", "key.pem", "evidence"))
    minutes = str(files / "minutes")
    office.well("incident", "export", ledger, "--minutes", minutes)
    office.well("report", "evidence", str(good), "--output", evidence)
    Path(key).write_text(office.well("journal", "public-key").out, "ascii")
    proof = ("--ledger", ledger, "--evidence", evidence, "--key", key)
    # Without --data: nobody is asked.
    assert verify(office, good, *proof).code == 0
    assert verify(office, good, *proof[:3], minutes, *proof[4:]).code == 0

    report = json.loads(good.read_text("utf-8"))
    report["clients"][0]["months"][0]["seconds"]["downtime_s"] = "0"
    (files / "better.json").write_text(json.dumps(report), "utf-8")
    ended = verify(office, files / "better.json", *proof)
    assert ended.code == 5
    assert "clients[0].months[0].seconds.downtime_s: 0 in the report" in ended.err

    lines = Path(ledger).read_bytes().splitlines(keepends=True)
    (files / "edited").write_bytes(b"".join(lines).replace(b'"good":', b'"good":1', 1))
    (files / "short").write_bytes(b"".join(lines[:-2] + lines[-1:]))
    for broken in ("edited", "short"):
        ended = verify(office, good, "--ledger", str(files / broken), *proof[2:])
        assert ended.code == 5
        assert "the ledger is not whole" in ended.err

    (files / "fewer").write_bytes(Path(evidence).read_bytes().splitlines(keepends=True)[0])
    ended = verify(office, good, *proof[:2], "--evidence", str(files / "fewer"), *proof[4:])
    assert ended.code == 5
    assert "no evidence of" in ended.err


def verify(office: Office, report: Path, *proof: str) -> Ended:
    return office.keystead.run("report", "verify", str(report), *proof, data=False)


def test_what_cannot_be_proved_is_refused_in_words(office: Office) -> None:
    ended = office.keystead.run("report", "verify", str(office.report("text")))
    assert ended.code == 2
    assert "ask for the JSON" in ended.err
    ended = office.keystead.run("report", "customer", "1", "--first", "2031-01")
    assert ended.code == 1
    assert "has not begun" in ended.err


def test_a_report_is_sent_to_who_is_there_for_support(office: Office) -> None:
    keystead = office.keystead
    send = ("report", "customer", "2", "--first", office.month, "--send", "--reason", "asked for")
    terms = ("--entity", "ab", "--plan-from", TODAY, "--validation")
    keystead.cli("customer", "add", "Bageri AB", *terms)
    ended = keystead.run(*send)
    assert (ended.code, "no contact of kind support" in ended.err) == (3, True)
    keystead.cli("contact", "add", "2", "Zoë", "--email", "zoe@b.example", "--kind", "support")
    assert office.well(*send).out.startswith("On its way to contact 1: keystead notice show ")
    (begun,) = keystead.cli("notice", "list", "--about", "report:2")["notices"]
    assert f"Availability and usage of Bageri AB, {office.month}" in begun["words"]
    assert (begun["occasion"], begun["recipient"]["customer"]) == ("report.customer", 2)
    (entry, *_) = keystead.cli("journal", "list", "--about", "notice:1")["entries"]
    assert (entry["action"], entry["reason"]) == ("customer.report-send", "asked for")
    ended = keystead.run(*send, "--format", "html")
    assert (ended.code, "--send sends the text" in ended.err) == (2, True)


def test_an_analysis_is_drafted_written_and_published(office: Office) -> None:
    keystead, files = office.keystead, office.files
    number = keystead.cli("incident", "open", "Half of it fails", "--unavailable")["id"]
    words = str(number)
    keystead.cli("incident", "acknowledge", words)
    keystead.cli("incident", "assign", words, "1", "--reason", "as proposed")
    keystead.cli("incident", "resolve", words, "--summary", "The plug is in again.")
    report = ("incident", "report")
    drafted = keystead.cli(*report, "draft", words)
    assert drafted["standing"] == "running"
    (files / "cause.md").write_text("Somebody pulled it:\n- by hand\n", "utf-8")
    texts = ["--summary", "Half failed.", "--remedy", "Plugged in.", "--prevention", "A lock."]
    keystead.cli(*report, "edit", words, *texts, "--cause", f"@{files / 'cause.md'}")
    published = keystead.cli(*report, "publish", words)
    assert published["standing"] == "met"
    owed = keystead.cli("report", "list")["reports"]
    assert [(one["incident"], one["revision"]) for one in owed] == [(number, 1)]
    written = office.well(*report, "show", words, "--format", "markdown", "--revision", "1").out
    assert written.startswith(f"# Incident {number}: Half of it fails")
    assert "- by hand" in written
    office.well(*report, "show", words, "--format", "pdf", "--output", str(files / "paper.pdf"))
    assert (files / "paper.pdf").read_bytes().startswith(b"%PDF-")


def test_authorities_clocks_are_seen_and_stopped(office: Office) -> None:
    keystead = office.keystead
    words = str(keystead.cli("incident", "open", "Data seen", "--exposes-data")["id"])
    step = ("incident", "regulatory")
    assert keystead.cli(*step, "show", words)["clocks"] == []
    begun: dict[str, Any] = keystead.cli(*step, "classify", words, "nis2", "--reason", "customers")
    assert [one["standing"] for one in begun["clocks"]] == ["running"] * 3
    early = parse(begun["clocks"][0]["due"]) - time.time()
    assert 23 * 3600 < early <= 24 * 3600
    sent = keystead.cli(*step, "sent", words, "nis2", "early-warning", "--reason", "case 7")
    assert sent["clocks"][0]["standing"] == "met"
    ended = keystead.run(*step, "classify", words, "dora")
    assert ended.code == 1
    assert "regulatory = " in ended.err


def test_a_report_of_which_steps_were_erased_is_neither_right_nor_wrong(office: Office) -> None:
    keystead, files = office.keystead, office.files
    number = str(keystead.cli("incident", "open", "No answers", "--unavailable")["id"])
    keystead.cli("incident", "acknowledge", number)
    lost = f"{office.month}-01T00:00:00Z"
    until = f"{office.month}-01T00:30:00Z"
    keystead.cli("incident", "confirm", number, "--loss", f"{lost},{until}")
    path = files / "erased.json"
    form = ("--first", office.month, "--format", "json", "--output", str(path))
    office.well("report", "customer", "1", *form)
    assert keystead.cli("report", "verify", str(path))["verdict"] == "right"
    office.well("incident", "export", str(files / "before"))
    entries = [json.loads(line) for line in (files / "before").read_text("utf-8").splitlines()]
    (gone,) = (
        one["sequence"]
        for one in entries
        if one.get("kind") == "incident"
        and one["payload"]["value"]["record"]["step"] == "confirmed"
    )
    office.well("incident", "erase", str(gone), "--reason", "a name")

    report = json.loads(path.read_text("utf-8"))
    report["clients"][0]["months"][0]["seconds"]["downtime_s"] = "0"
    (files / "lowered.json").write_text(json.dumps(report), "utf-8")
    for one in (path, files / "lowered.json"):
        ended = keystead.run("report", "verify", str(one))
        assert (ended.code, "not provable" in ended.err) == (6, True), ended.err
        assert f"erased, and it could bear on the report's period: {gone}." in ended.err
        shown = json.loads(keystead.run("report", "verify", str(one), "--json").out)
        assert (shown["right"], shown["verdict"], shown["erased"]) == (
            False,
            "not provable",
            [gone],
        )

    report["clients"][0]["months"][0]["requests"]["good"] += 1
    (files / "more.json").write_text(json.dumps(report), "utf-8")
    assert keystead.run("report", "verify", str(files / "more.json")).code == 5


def parse(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
