"""The page as HTML: one document with its style in it, no script, nothing from anywhere else.

Its Content-Security-Policy allows that one style by its digest and nothing beside it, so that a
text which somebody smuggled into an incident could not do anything even if it were not escaped.
"""

import base64
import hashlib
from functools import cache
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from server.status.page import lay_out
from server.status.snapshot import Snapshot

_NOTHING = "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'"


class Links(NamedTuple):
    """Where the other forms are, from the page: a prefix of `history.atom` and so on.

    about: where it is told how this is counted, "" for nowhere.
    """

    prefix: str = ""
    about: str = ""


class _House(NamedTuple):
    environment: Environment
    style: str
    policy: str


@cache
def _house() -> _House:
    """Return the templates, read and compiled once."""
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
    return _House(environment, source, f"{_NOTHING}; style-src 'sha256-{digest}'")


def content_policy() -> str:
    """Return the header Content-Security-Policy that goes with the page."""
    return f"{_house().policy}; frame-ancestors 'none'"


def write_html(snapshot: Snapshot, now_s: int, links: Links) -> bytes:
    """Return the page as it is at a second, since the epoch."""
    house = _house()
    page = lay_out(snapshot, now_s)
    text = house.environment.get_template("page.html").render(
        page=page,
        links=links,
        policy=house.policy,
        style=Markup(house.style),  # noqa: S704 - our own file
    )
    return text.encode()
