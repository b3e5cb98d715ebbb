"""The page as HTML: one document with its style in it, no script, nothing from anywhere else.

Its Content-Security-Policy allows that one style by its digest and nothing beside it, so that a
text which somebody smuggled into an incident could not do anything even if it were not escaped.
"""

import base64
import hashlib
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from server.status.page import lay_out
from server.status.snapshot import Snapshot

if TYPE_CHECKING:
    from jinja2 import Template
    from markupsafe import Markup

_NOTHING = "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'"


class _House(NamedTuple):
    page: "Template"
    style: "Markup"
    policy: str


@cache
def _house() -> _House:
    """Return the templates, read and compiled once."""
    # Late: no start has to wait for it.
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415
    from markupsafe import Markup  # noqa: PLC0415

    loader = PackageLoader("server.status")
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    source, _, _ = loader.get_source(environment, "style.css")
    digest = base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()
    policy = f"{_NOTHING}; style-src 'sha256-{digest}'"
    style = Markup(source)  # noqa: S704 - our own file
    return _House(environment.get_template("page.html"), style, policy)


def content_policy() -> str:
    """Return the header Content-Security-Policy that goes with the page."""
    return f"{_house().policy}; frame-ancestors 'none'"


def write_html(snapshot: Snapshot, now_s: int, prefix: str) -> bytes:
    """Return the page as it is at a second, since the epoch.

    prefix: from the page to what is beside it, `/status/` or nothing.
    """
    house = _house()
    page = lay_out(snapshot, now_s)
    text = house.page.render(page=page, prefix=prefix, policy=house.policy, style=house.style)
    return text.encode()
