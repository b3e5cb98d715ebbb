"""The pages in Chromium: light and dark, wide and narrow, with axe, and by keyboard alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, TypeAlias

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # no types
from playwright.sync_api import Browser, Page, Route, sync_playwright

from server.fleet.trust import Trust
from server.fleet_page import document
from server.fleet_page.document import Frame
from server.fleet_page.places import HostFilter, KeyFilter
from tests.server.fleet_page.fleets import OLD
from tests.server.fleet_page.samples import (
    TITLES,
    a_change,
    a_fleet_key,
    a_host,
    advisory_html,
    form_html,
    holders_html,
    hosts_html,
    key_html,
    keys_html,
    overview_html,
)
from tests.system_programs import require_program

WIDE, NARROW = 1100, 320
"""Pixels; 320 is what WCAG 1.4.10 asks a page to reflow to."""

Scheme: TypeAlias = Literal["light", "dark"]

_WITH_TARGET_SIZES = {
    "resultTypes": ["violations"],
    "rules": {"target-size": {"enabled": True}},
}
LONG = "W" * 128
HOSTILE = a_fleet_key(
    {
        **OLD,
        "device.firmware": LONG,
        "device.part_number": "M\u0335" + "\u0335" * 100,
        "otp." + "x" * 60: (LONG, "\u202e" + LONG),
    },
    {"openpgp": "r" * 40},
    host="W" * 253,
    against="\u202e" + LONG,
    key_id=f"hash:{'ab' * 32}",
)
PROVED = a_fleet_key(against="5.7.4", trust=Trust.KEY_CHANNEL)
PLAIN = a_fleet_key(OLD, {"openpgp": "in-use"}, against="5.7.4")
PAGES = {
    "overview": overview_html(PLAIN, PROVED),
    "keys": keys_html(PLAIN, PROVED, HOSTILE, filters=KeyFilter(level="danger")),
    "key": key_html(PLAIN, a_change()),
    "hostile": key_html(HOSTILE, a_change(fact="otp." + "x" * 60, before=LONG, after=(LONG,))),
    "hosts": hosts_html(a_host(), a_host("W" * 253, LONG, LONG), filters=HostFilter("W" * 253)),
    "advisory": advisory_html(PLAIN, HOSTILE),
    "holders": holders_html("W" * 253),
    "form": form_html("This token is not one of ours."),
    "mistaken": document.write(
        "keys",
        Frame("Keys", "keys", "ann"),
        page=None,
        rules=TITLES,
        filters=KeyFilter(serial="x"),
        fault={"field": "serial", "text": "A serial number has up to ten digits."},
    ),
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
    browser: Browser, name: str, *, scheme: Scheme = "light", width: int = WIDE
) -> Iterator[Page]:
    """Open a page as the service sends it, with its policy, and fail when it complains."""
    complaints: list[str] = []
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
    page = context.new_page()

    def send(route: Route) -> None:
        route.fulfill(
            body=PAGES[name],
            headers={
                "Content-Type": "text/html; charset=utf-8",
                "Content-Security-Policy": document.house().header,
            },
        )

    page.route("**/*", send)
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto("https://ops.example.org/fleet")
    try:
        yield page
    finally:
        context.close()
    assert complaints == []


def unfold(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_no_violation_in_light_or_dark(browser: Browser, name: str) -> None:
    for scheme, width in (("light", WIDE), ("dark", NARROW)):
        with opened(browser, name, scheme=scheme, width=width) as page:  # type: ignore[arg-type] # of the pair
            unfold(page)
            found = Axe().run(page, options=_WITH_TARGET_SIZES)
            assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("name", PAGES)
def test_a_narrow_page_needs_no_scrolling_sideways(browser: Browser, name: str) -> None:
    with opened(browser, name, width=NARROW) as page:
        unfold(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW


def test_no_word_of_a_laptop_covers_what_is_beside_it(browser: Browser) -> None:
    with opened(browser, "hostile", width=NARROW) as page:
        tall = page.evaluate(
            "Math.max(...[...document.querySelectorAll('bdi')].map(one => one.scrollHeight -"
            " one.clientHeight))"
        )
        assert tall <= 2  # marks are cut at the box
        wide = page.evaluate(
            "Math.max(...[...document.querySelectorAll('bdi, code, caption')]"
            ".map(one => one.getBoundingClientRect().right))"
        )
        assert wide <= NARROW


def test_who_has_a_keyboard_only_reaches_every_link_and_sees_where_they_are(
    browser: Browser,
) -> None:
    with opened(browser, "keys") as page:
        reached = []
        for _ in range(page.locator("a, summary, button, input:visible, select").count()):
            page.keyboard.press("Tab")
            reached.append(page.evaluate("document.activeElement.textContent"))
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        assert reached[0] == "To the content"
        assert {"Overview", "Sign out", "Look for them", "Next page", "Previous page"} <= set(
            reached
        )


def test_the_chart_is_drawn_to_scale_beside_its_numbers(browser: Browser) -> None:
    with opened(browser, "overview") as page:
        table = page.locator("table", has_text="Keys by version of their firmware")
        widths = {}
        for version in ("5.7.4", "5.4.3", "9.0.0"):
            row = table.get_by_role("row").filter(has_text=version)
            box = row.locator("rect").bounding_box()
            assert box is not None
            widths[version] = box["width"]
        assert 0 < widths["9.0.0"] < widths["5.4.3"] < widths["5.7.4"] / 10
        assert widths["5.7.4"] > 100
        words = table.get_by_role("row").filter(has_text="5.7.4").inner_text().split()
        assert words[:4] == ["5.7.4", "1,200,000", "97.2", "%"]


def test_the_form_says_what_is_wrong_to_who_hears_it(browser: Browser) -> None:
    with opened(browser, "form") as page:
        field = page.get_by_label("Token")
        assert field.get_attribute("type") == "password"
        assert field.get_attribute("aria-describedby") == "fault"
        assert page.get_by_role("alert").inner_text() == "This token is not one of ours."
    with opened(browser, "mistaken") as page:
        assert page.get_by_label("Serial number").get_attribute("aria-invalid") == "true"
