"""The page in Chromium: light and dark, wide and narrow, with axe, and without any JavaScript."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, TypeAlias

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # no types
from playwright.sync_api import Browser, Page, Route, sync_playwright

from server.status.document import content_policy, write_html
from server.status.snapshot import Snapshot
from tests.server.status.samples import NOW_S, degraded, eventful, quiet, stale
from tests.system_programs import require_program

SNAPSHOTS = {"quiet": quiet(), "eventful": eventful(), "degraded": degraded(), "stale": stale()}
WIDE, NARROW = 1000, 320
"""Pixels; 320 is what WCAG 1.4.10 asks a page to reflow to."""

Scheme: TypeAlias = Literal["light", "dark"]

_URL = "https://otp.example.org/status"
_WITH_TARGET_SIZES = {
    "resultTypes": ["violations"],
    "rules": {"target-size": {"enabled": True}},
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return Debian's Chromium, without a window."""
    program = require_program("chromium", package="chromium")
    with sync_playwright() as playwright:
        # Its sandbox needs privileges that a container's root does not have; the page is our own.
        started = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield started
        started.close()


@contextmanager
def opened(
    browser: Browser,
    snapshot: Snapshot,
    *,
    scheme: Scheme = "light",
    width: int = WIDE,
    scripts: bool = True,
) -> Iterator[Page]:
    """Open the page as a service sends it, with its header, and fail when it complains."""
    complaints: list[str] = []
    context = browser.new_context(
        color_scheme=scheme,
        viewport={"width": width, "height": 900},
        java_script_enabled=scripts,
    )
    page = context.new_page()

    def send(route: Route) -> None:
        route.fulfill(
            body=write_html(snapshot, NOW_S, "/status/"),
            headers={
                "Content-Type": "text/html; charset=utf-8",
                "Content-Security-Policy": content_policy(),
            },
        )

    page.route("**/*", send)
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(_URL)
    try:
        yield page
    finally:
        context.close()
    assert complaints == []


@pytest.mark.parametrize("name", SNAPSHOTS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation(browser: Browser, name: str, scheme: Scheme) -> None:
    width = NARROW if name == "degraded" else WIDE
    with opened(browser, SNAPSHOTS[name], scheme=scheme, width=width) as page:
        page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
        found = Axe().run(page, options=_WITH_TARGET_SIZES)
        assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("name", SNAPSHOTS)
def test_a_narrow_page_needs_no_scrolling_sideways(browser: Browser, name: str) -> None:
    with opened(browser, SNAPSHOTS[name], width=NARROW) as page:
        page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW


def test_light_and_dark_are_two_pages_for_the_eye(browser: Browser) -> None:
    papers = []
    for scheme in ("light", "dark"):
        with opened(browser, quiet(), scheme=scheme) as page:
            papers.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert papers == ["rgb(246, 247, 244)", "rgb(16, 21, 19)"]


def test_everything_is_there_without_javascript(browser: Browser) -> None:
    with opened(browser, eventful(), scripts=False) as page:
        assert page.locator("h2").first.inner_text() == "Validation is out of order"
        assert page.locator("svg.bars rect").count() >= 90
        summary = page.locator("summary", has_text="How this is counted")
        method = page.locator(".method ul")
        assert not method.is_visible()
        summary.click()
        assert method.is_visible()


def test_who_has_a_keyboard_only_reaches_every_link_and_sees_where_they_are(
    browser: Browser,
) -> None:
    with opened(browser, quiet()) as page:
        reached = []
        for _ in range(page.locator("a, summary").count()):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("document.activeElement.textContent"))
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        assert "Atom feed" in reached
        assert "How this is counted" in reached
