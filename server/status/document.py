"""The page as HTML: one document with its style in it, no script, nothing from anywhere else."""

from functools import cache

from server.pages.house import House, furnish
from server.status.page import lay_out
from server.status.snapshot import Snapshot


@cache
def _house() -> House:
    """Return the templates, read once."""
    return furnish("server.status", "style.css")


def content_policy() -> str:
    """Return the header Content-Security-Policy that goes with the page."""
    return _house().header


def write_html(snapshot: Snapshot, now_s: int, prefix: str) -> bytes:
    """Return the page as it is at a second, since the epoch.

    prefix: from the page to what is beside it, `/status/` or nothing.
    """
    house = _house()
    page = lay_out(snapshot, now_s)
    template = house.environment.get_template("page.html")
    text = template.render(page=page, prefix=prefix, policy=house.policy, style=house.style)
    return text.encode()
