"""A report over the real door, then seen on the page by somebody who signs in with a browser."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from agent.enrolment import begin, enrol
from agent.http_client import Client
from agent.identity import Identity
from agent.report import HOST_HEADER, REPORT_CONTEXT, SIGNATURE_HEADER, encode
from agent.server_url import parse_server_url
from tests.keystead_process import KeysteadProcess
from tests.server.fleet.reports import a_key, a_report
from tests.server.fleet_page.fleets import OLD
from tests.system_programs import require_program

SERIAL = 16234567
PART = "<b>not bold</b>\u202e"


@pytest.fixture
def keystead(tmp_path: Path) -> Iterator[KeysteadProcess]:
    with KeysteadProcess(tmp_path / "var") as service:
        service.init()
        service.configure('[fleet]\nserial = "plain"\n')
        service.start(workers=2, options=["--fleet-listen", "127.0.0.1:0"])
        yield service


@pytest.fixture
def browser() -> Iterator[Browser]:
    program = require_program("chromium", package="chromium")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield started
        started.close()


def report_a_key(keystead: KeysteadProcess, folder: Path) -> Identity:
    """Enrol a host as an agent does, and report an old key with a default PIN."""
    assert keystead.ready is not None
    url = keystead.ready.fleet_url
    token = keystead.cli("fleet", "token", "create", "--host", "laptop-17")["token"]
    client = Client(parse_server_url(url), "", "test")
    identity = enrol(
        folder, begin(folder, url, "laptop-17", ""), client, token, system="linux", agent="0.1.0"
    )
    today = datetime.now(UTC).date()
    facts = {**OLD, "device.part_number": PART}
    report = a_report(a_key(facts, serial=SERIAL, last_seen=today), host=identity.host, day=today)
    body = encode(report)
    signed = {
        HOST_HEADER: identity.host,
        SIGNATURE_HEADER: identity.sign(REPORT_CONTEXT, body),
    }
    answer = client.post("/fleet/v1/reports", body, signed)
    assert answer.status == 202, answer
    client.close()
    return identity


def test_what_a_laptop_reports_is_seen_by_who_signs_in(
    keystead: KeysteadProcess, browser: Browser, tmp_path: Path
) -> None:
    assert keystead.ready is not None
    folder = tmp_path / "agent"
    folder.mkdir(mode=0o700)
    identity = report_a_key(keystead, folder)
    viewer = keystead.cli("operator", "add", "vic", "--role", "viewer")["token"]
    token = keystead.cli("operator", "add", "ann", "--role", "support")["token"]
    site = f"{keystead.ready.ops_url}/fleet"
    context = browser.new_context()
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    page.goto(f"{site}/keys?level=danger")
    for shown, said in ((viewer[:-2] + "AA", "not one of ours"), (viewer, "ask an admin")):
        page.get_by_label("Token").fill(shown)
        page.get_by_role("button", name="Sign in").click()
        assert said in page.inner_text("main")
        page.goto(f"{site}/keys?level=danger")
    page.get_by_label("Token").fill(token)
    page.get_by_role("button", name="Sign in").click()
    assert page.url == f"{site}/keys?level=danger"
    (cookie,) = context.cookies()
    assert (cookie["httpOnly"], cookie["sameSite"], cookie["path"]) == (True, "Strict", "/fleet")
    assert page.evaluate("document.cookie") == ""

    page.get_by_role("link", name=str(SERIAL)).click()
    text = page.inner_text("main")
    assert "<b>not bold</b>\\u202e" in text
    assert "The PIV PIN is the one that every key comes with" in text
    page.get_by_role("link", name="YSA-2024-03").click()
    page.get_by_role("link", name="Exposed").click()
    assert "Affected, and exposed" in page.inner_text("main")
    assert "laptop-17" in page.inner_text("main")
    page.get_by_role("link", name=str(SERIAL)).click()
    page.get_by_role("link", name="Keys of YSA-2024-03").click()
    assert page.url == f"{site}/advisories/YSA-2024-03?show=exposed"
    page.get_by_role("link", name="Overview").click()
    assert "1 key is in danger" in page.inner_text("main")

    keystead.cli("fleet", "erase", identity.host, "--reason", "the laptop was sold")
    page.get_by_role("link", name="Keys", exact=True).click()
    assert "No key was reported yet" in page.inner_text("main")
    page.get_by_role("button", name="Sign out").click()
    page.goto(site)
    assert page.get_by_label("Token").is_visible()
    context.close()

    written = keystead.log_text()
    assert "fleet_page_sign_in" in written
    for secret in (token, token.rpartition("_")[2], cookie["value"], viewer):
        assert secret not in written
        assert not any(secret in url for url in asked)
    counted = keystead.metrics()
    assert counted['keystead_fleet_page_requests_total{outcome="signed-in"}'] == 1
    assert counted['keystead_fleet_page_requests_total{outcome="denied"}'] == 1
