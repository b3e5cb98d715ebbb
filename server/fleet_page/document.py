"""The pages as HTML: each one document with its style in it, and without any script."""

from functools import cache
from typing import NamedTuple

from server.fleet.health import Level
from server.fleet.holders import HolderKind
from server.fleet.trouble import Trouble
from server.fleet_page import places
from server.fleet_page.chart import WIDTH
from server.fleet_page.holders import KINDS
from server.fleet_page.overview import LEVELS, TROUBLES
from server.pages.house import House, furnish


class Frame(NamedTuple):
    """What is around a page. here: the part of the menu; operator: who looks, "" for nobody."""

    title: str
    here: str = ""
    operator: str = ""


@cache
def house() -> House:
    """Return the templates, read once."""
    made = furnish("server.fleet_page", "fleet.css", forms=True)
    made.environment.globals.update(
        menu=(
            ("overview", "Overview", places.ROOT),
            ("keys", "Keys", places.KEYS),
            ("hosts", "Hosts", places.HOSTS),
            ("holders", "Holders", places.HOLDERS),
            ("advisories", "Advisories", places.ADVISORIES),
        ),
        places={
            "keys": places.KEYS,
            "hosts": places.HOSTS,
            "holders": places.HOLDERS,
            "in": places.SIGN_IN,
        },
        sign_out=places.SIGN_OUT,
        bar_width=WIDTH,
        max_field=places.MAX_FIELD,
        levels=[(level.value, LEVELS[level]) for level in Level],
        kinds=[(kind.value, KINDS[kind]) for kind in HolderKind],
        troubles=[(trouble.value, TROUBLES[trouble]) for trouble in Trouble],
    )
    return made


def write(template: str, frame: Frame, **parts: object) -> bytes:
    """Return a page in UTF-8. parts: what its template lays out."""
    furnished = house()
    found = furnished.environment.get_template(f"{template}.html")
    text = found.render(frame=frame, policy=furnished.policy, style=furnished.style, **parts)
    return text.encode("utf-8", "backslashreplace")
