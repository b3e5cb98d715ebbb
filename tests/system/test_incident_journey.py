"""An incident from its first second to the month's figure, with real processes.

The server is killed; the prober notices, opens the incident, calls, takes the acknowledgement and
shows the pages; the server comes back, takes everything over with its true times, and proves it.
"""

import json
import os
import re
import sqlite3
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.keystead_process import KeysteadProcess
from tests.prober_process import ProberProcess
from tests.system.letterbox import Letterbox
from tests.system.loopback import free_port

INTERVAL_S = float(os.environ.get("JOURNEY_INTERVAL_SECONDS", "0.5"))
"""Between rounds. 30 is what the service has in production, and takes the test minutes."""

NOTICED_WITHIN_S = 90.0
QUARTER_S = 15 * 60
DOWN_S = 4.0
LATE_S = 16

BOARD = """\
link = "http://127.0.0.1:9"

[mail]
host = "127.0.0.1"
port = {port}
security = "none"
sender = "prober@example.org"

[[person]]
name = "ann"
email = "ann@example.org"

[rota]
zone = "Europe/Stockholm"
first = 2026-11-02
hand_over = 09:00:00
turns = ["ann"]

[[subscriber]]
name = "customers"
email = "customers@example.org"
"""


class Stage(NamedTuple):
    """Everybody who takes part."""

    keystead: KeysteadProcess
    prober: ProberProcess
    letters: Letterbox
    pages: Path

    def wait(self, condition: Callable[[], Any]) -> None:
        """Wait for something that other processes bring about, after some rounds at most."""
        self.keystead.wait_until(condition, within_s=NOTICED_WITHIN_S + 8 * INTERVAL_S)

    def listen(self) -> str:
        """Where the server is, also when it comes back."""
        assert self.keystead.ready is not None
        return self.keystead.ready.verify_url.removeprefix("http://").partition("/")[0]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with (
        Letterbox() as letters,
        KeysteadProcess(tmp_path / "var") as keystead,
        ProberProcess(keystead, tmp_path / "probe") as prober,
    ):
        keystead.init()
        port, pages = free_port(), tmp_path / "pages"
        keystead.configure("[usage]\nleft_out = [1]\n")
        keystead.start(listen=f"127.0.0.1:{free_port()}")
        prober.init(
            f"interval_seconds = {INTERVAL_S}\n"
            f'listen = "127.0.0.1:{port}"\nlink = "http://127.0.0.1:{port}"\n'
            f'board = "notices.toml"\nstatus_directory = "{pages}"\n'
        )
        board = BOARD.format(port=letters.port)
        (prober.directory / "notices.toml").write_text(board)
        yield Stage(keystead, prober, letters, pages)


def seconds(instant: str) -> int:
    return int(datetime.fromisoformat(instant).timestamp())


def instant(at: float) -> str:
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def post(url: str, data: bytes = b"acknowledge=yes") -> int:
    request = urllib.request.Request(url, method="POST", data=data)  # noqa: S310 - loopback
    try:
        with urllib.request.urlopen(request) as answer:  # noqa: S310 - loopback
            status: int = answer.status
            return status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def summary(text: str) -> tuple[str, list[str]]:
    """Return what a Statuspage-shaped summary says: its indicator, and unresolved incidents."""
    value: dict[str, Any] = json.loads(text)
    return value["status"]["indicator"], [one["name"] for one in value["incidents"]]


def test_from_the_servers_death_to_the_months_figure(stage: Stage) -> None:
    wait, prober = stage.wait, stage.prober
    prober.start()
    wait(lambda: prober.rounds("good") >= 3)
    assert prober.rounds("bad") == 0
    listen = stage.listen()
    killed = time.time()
    stage.keystead.kill()
    opened = is_noticed(stage, killed)
    runs_its_clock(stage, opened)
    is_on_the_pages(stage, opened["title"])
    is_acknowledged_by_a_person_alone(stage)
    survives_the_probers_death(stage)
    time.sleep(max(0.0, killed + DOWN_S - time.time()))
    stage.keystead.start(listen=listen)
    back = time.time()
    number = is_taken_over(stage, opened)
    lost = range(int(killed), int(back) + 1)
    is_resolved(stage, number, lost)
    is_read_everywhere(stage, f"http://{listen}/status/", opened["title"])
    is_counted_to_the_second(stage, lost)


def is_noticed(stage: Stage, killed: float) -> Any:  # noqa: ANN401 - any JSON
    """Expect that the prober opens the incident by itself, in time."""
    prober = stage.prober
    wait = stage.wait
    wait(lambda: prober.metrics()["keystead_probe_failing"] and prober.incident())
    opened = prober.incident()
    reported = seconds(opened["reported"])
    assert int(killed) <= reported <= killed + NOTICED_WITHIN_S
    assert (opened["state"], opened["severity"], opened["id"]) == ("open", 1, None)
    return opened


def runs_its_clock(stage: Stage, opened: Any) -> None:  # noqa: ANN401 - any JSON
    """Expect a quarter of an hour that runs, and that a note of the prober's stops nothing."""
    _, prober, letters, _ = stage
    wait = stage.wait
    wait(lambda: letters.to("ann@example.org") and letters.to("customers@example.org"))
    wait(lambda: any("ann was told" in one["text"] for one in prober.incident()["history"]))
    incident = prober.incident()
    (clock,) = incident["clocks"]
    assert clock == {
        "clock": "initial_response",
        "due": instant(seconds(opened["reported"]) + QUARTER_S),
        "outcome": "running",
    }
    assert {one["author"]["kind"] for one in incident["history"]} == {"prober"}


def is_on_the_pages(stage: Stage, title: str) -> None:
    """Expect it on the prober's pages and in its files while the server is away."""
    _, prober, _, pages = stage
    wait = stage.wait
    wait(lambda: summary(prober.get("/status/api/v2/summary.json").text)[0] == "critical")
    assert summary((pages / "api/v2/summary.json").read_text()) == ("critical", [title])
    assert title in (pages / "index.html").read_text()
    for name in ("", "history.atom"):
        assert title in prober.get(f"/status/{name}").text


def is_acknowledged_by_a_person_alone(stage: Stage) -> None:
    """Expect that a link which is fetched acknowledges nothing, and its button does, once."""
    keystead, prober, letters, _ = stage
    subject, letter = letters.to("ann@example.org")[0]
    assert subject.startswith("Sev 1: ")
    found = re.search(r"http://127\.0\.0\.1:\d+/ack/\S+", letter)
    assert found is not None
    assert "Acknowledge as ann" in keystead.get(found[0]).text
    assert post(found[0], b"") == 400
    assert prober.incident()["state"] == "open"
    assert post(found[0]) == 200
    answered = prober.incident()
    assert (answered["state"], answered["clocks"][0]["outcome"]) == ("acknowledged", "met")
    assert post(found[0]) == 409
    assert prober.run("ack", "--as", "ann").code == 1
    assert "not on the notice board" in prober.run("ack", "--as", "mallory").err
    prober.command("update", "We are looking into it", "--as", "ann")


def survives_the_probers_death(stage: Stage) -> None:
    """Expect that a prober which is killed goes on where it was."""
    prober = stage.prober
    before = prober.incident()["history"]
    prober.kill()
    assert prober.command("show")["incident"]["history"][: len(before)] == before
    prober.start()


def is_taken_over(stage: Stage, opened: Any) -> str:  # noqa: ANN401 - any JSON
    """Expect that the server takes everything over, with the true times, once."""
    keystead, prober, _, _ = stage
    wait = stage.wait
    wait(lambda: prober.incident()["id"])
    wait(lambda: prober.metrics()["keystead_probe_findings_waiting"] == 0)
    wait(lambda: not prober.metrics()["keystead_probe_failing"])
    (known,) = keystead.cli("incident", "list")["incidents"]
    assert (known["state"], known["reported"]) == ("acknowledged", opened["reported"])
    (response,) = known["clocks"]
    assert (response["clock"], response["outcome"]) == ("initial_response", "met")
    history = keystead.cli("incident", "show", str(known["id"]))["history"]
    acknowledged = next(one for one in history if one["step"] == "acknowledged")
    assert "ann" in json.dumps(acknowledged)
    return str(known["id"])


def is_resolved(stage: Stage, number: str, lost: range) -> None:
    """Let a person confirm and resolve; expect the report due in 20 Business Days."""
    keystead = stage.keystead
    keystead.cli("incident", "assign", number, "1")
    keystead.cli(
        "incident", "confirm", number, "--loss", f"{instant(lost.start)},{instant(lost.stop)}"
    )
    keystead.cli("incident", "resolve", number, "--summary", "The process was killed; restarted.")
    over = keystead.cli("incident", "show", number)
    report = next(one for one in over["clocks"] if one["clock"] == "incident_report")
    due = keystead.run(
        *("clock", "due", "--clock", "incident_report", "--severity", "1", "--entity", "inc"),
        *("--start", over["resolved"]),
        data=False,
    )
    assert report["due"] == json.loads(due.out)["due_utc"]
    draft = keystead.cli("incident", "report", "draft", number)
    assert (draft["incident"], draft["due"]) == (int(number), report["due"])
    assert draft["analysis"] is not None


def is_read_everywhere(stage: Stage, status: str, title: str) -> None:
    """Expect that the prober lets go of it, and that pages and feeds tell how it ended."""
    keystead, prober, _, _ = stage
    wait = stage.wait
    wait(lambda: prober.incident() is None)
    wait(lambda: title in keystead.get(status).text)
    wait(lambda: summary(keystead.get(f"{status}api/v2/summary.json").text)[1] == [])
    for feed in (f"{status}history.atom", f"{prober.url}/status/history.atom"):
        wait(partial(tells, keystead, feed, "We are looking into it"))
    assert len(keystead.cli("incident", "list", "--all")["incidents"]) == 1


def tells(keystead: KeysteadProcess, url: str, words: str) -> bool:
    """Whether a page has some words in it."""
    return words in keystead.get(url).text


def is_counted_to_the_second(stage: Stage, lost: range) -> None:
    """Expect the month's figure that stepping through its seconds gives."""
    keystead = stage.keystead
    month = instant(lost.start)[:7]
    shown: dict[str, Any] = {}

    def is_counted() -> bool:
        shown.update(keystead.cli("availability", "show", "--of", month))
        return seconds(shown["as_of"]) >= lost.stop

    # A minute is counted when it is over, and everybody has brought what they counted.
    time.sleep(max(0.0, (lost.stop // 60 + 1) * 60 + LATE_S - time.time()))
    stage.wait(is_counted)
    first, as_of = seconds(f"{month}-01T00:00:00Z"), seconds(shown["as_of"])
    good, bad = probed_minutes(keystead)
    down = unknown = 0
    for second in range(first, as_of):
        minute = second // 60
        if second in lost or minute in bad - good:
            down += 1
        elif minute not in good:
            unknown += 1
    assert shown["period_s"] == as_of - first
    assert shown["unknown_s"] == unknown
    assert Fraction(shown["downtime_s"]) == down
    assert Fraction(shown["availability_exact"]) == 1 - Fraction(down, as_of - first - unknown)


def probed_minutes(keystead: KeysteadProcess) -> tuple[set[int], set[int]]:
    """Return the minutes with a good round, and those with a bad one, from the store itself."""
    with closing(sqlite3.connect(keystead.directory / "keystead.db")) as connection:
        rows = connection.execute("SELECT minute, good, bad FROM probe_minute").fetchall()
    return {minute for minute, good, _ in rows if good}, {minute for minute, _, bad in rows if bad}
