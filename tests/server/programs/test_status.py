"""The status over real processes: served by workers, read by others' programs, written as files."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import feedparser  # type: ignore[import-untyped] # the library ships no types
import pytest

from server.status.files import CALENDAR, FORMS
from tests.keystead_process import HttpAnswer, KeysteadProcess

ADDRESS = "https://status.example.org"


class Service:
    """A service whose page has two components."""

    def __init__(self, keystead: KeysteadProcess) -> None:
        self.keystead = keystead
        keystead.init()
        keystead.configure(
            f'[status]\nname = "Example OTP"\nurl = "{ADDRESS}"\n'
            'components = ["validation", "upload"]\n'
        )
        keystead.start(workers=2)

    def url(self, path: str) -> str:
        assert self.keystead.ready is not None
        return urljoin(self.keystead.ready.verify_url, path)

    def get(self, path: str) -> HttpAnswer:
        return self.keystead.get(self.url(path))

    def summary(self) -> Any:  # noqa: ANN401 - JSON
        return json.loads(self.get("/api/v2/summary.json").text)

    def wait_for_page(self, text: str) -> None:
        self.keystead.wait_until(lambda: text in self.get("/status").text)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Run one service for the tests that change nothing for each other."""
    with KeysteadProcess(tmp_path_factory.mktemp("status") / "var") as keystead:
        yield Service(keystead)


def at(hours: float) -> str:
    return (datetime.now(UTC) + timedelta(hours=hours)).replace(microsecond=0).isoformat()


def exporter_reads(url: str, folder: Path) -> str:
    """Have Statuspage's pages exported to Prometheus by a program that others wrote."""
    folder.mkdir()
    services = folder / "services.json"
    services.write_text(json.dumps({"keystead": {"url": url, "name": "Example OTP"}}))
    program = shutil.which("statuspage-prometheus-exporter", path=str(Path(sys.executable).parent))
    assert program is not None
    ended = subprocess.run(
        [program],
        cwd=folder,
        env={
            **os.environ,
            "RUN_MODE": "once",
            "SERVICES_JSON_PATH": str(services),
            "METRICS_TEXTFILE_PATH": str(folder / "status.prom"),
            "NO_PROXY": "*",
            "no_proxy": "*",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr
    return (folder / "status.prom").read_text()


def test_an_incident_and_maintenance_are_public_within_seconds_everywhere(
    service: Service, tmp_path: Path
) -> None:
    keystead = service.keystead
    service.wait_for_page("Nothing lost")
    words = ["maintenance", "schedule", "New switches", "--component", "upload"]
    keystead.cli(*words, "--start", at(24), "--end", at(25))
    words = ["incident", "open", "Nobody gets an answer", "--unavailable"]
    keystead.cli(*words, "--tell", "We look into it.")
    service.wait_for_page("Nobody gets an answer")
    page = service.get("/status")
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
    for text in ("Validation is out of order", "We look into it.", "New switches"):
        assert text in page.text
    feed = feedparser.parse(service.get("/status/history.atom").text)
    assert {entry.title for entry in feed.entries} == {"Nobody gets an answer", "New switches"}
    assert feed.feed.id == ADDRESS
    assert service.summary()["status"]["indicator"] == "critical"
    told = exporter_reads(service.url("/api/v2/summary.json"), tmp_path / "exporter")
    assert 'statuspage_probe_check{service_name="Example OTP"} 1.0' in told
    assert (
        'statuspage_component_status{component_name="Validation",service_name="Example OTP"} 0.0'
        in told
    )
    assert (
        'statuspage_component_status{component_name="Upload",service_name="Example OTP"} 1.0'
        in told
    )
    assert 'incident_name="Nobody gets an answer"' in told
    assert 'maintenance_name="New switches"' in told


def test_the_page_stands_while_whoever_owns_the_store_does_not_answer(service: Service) -> None:
    service.wait_for_page("Nothing lost")
    assert service.keystead.process is not None
    control = service.keystead.process.pid
    os.kill(control, signal.SIGSTOP)
    try:
        assert service.get("/status").code == 200
        assert service.get("/api/v2/status.json").code == 200
    finally:
        os.kill(control, signal.SIGCONT)


def test_files_for_another_web_server_are_written_with_and_without_a_service(
    keystead: KeysteadProcess, tmp_path: Path
) -> None:
    keystead.init()
    folder = tmp_path / "site"
    written = keystead.cli("status", "write", "--to", str(folder), "--site", f"{ADDRESS}/otp/")
    assert written["url"] == f"{ADDRESS}/otp"
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert names == {*FORMS, CALENDAR}
    assert {path.stat().st_mode & 0o777 for path in folder.rglob("*.json")} == {0o644}
    page = (folder / "index.html").read_text()
    assert 'href="history.atom"' in page
    assert 'href="/' not in page
    (folder / "theirs.txt").write_text("stays")
    keystead.start()
    keystead.cli("incident", "open", "Nobody gets an answer", "--unavailable")
    keystead.cli("status", "write", "--to", str(folder))
    assert "Nobody gets an answer" in (folder / "index.html").read_text()
    assert (folder / "theirs.txt").read_text() == "stays"
    assert not list(folder.rglob("*.new"))
    shown = keystead.run("status", "show")
    assert "Validation is out of order" in shown.out
    assert "Nothing lost" in shown.out


def test_what_cannot_be_written_is_said_with_the_reason(service: Service, tmp_path: Path) -> None:
    keystead = service.keystead
    (tmp_path / "file").write_text("")
    ended = keystead.run("status", "write", "--to", str(tmp_path / "file" / "site"))
    assert ended.code == 2
    assert "cannot be written" in ended.err
    ended = keystead.run("status", "write", "--to", str(tmp_path), "--site", "status.example.org")
    assert ended.code == 2
    assert "whole address" in ended.err
