"""Every form of the status under the name it has: for a listener, and for files of a web server."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple, TypeAlias

from server.status import atom, statuspage
from server.status.document import write_html
from server.status.snapshot import Snapshot
from server.status.wire import write_snapshot

PAGE = "index.html"
CALENDAR = "maintenance.ics"
_JSON = "application/json"


class Site(NamedTuple):
    """Where the status is. url: of the page, without a slash at its end; it also makes ids.

    prefix: from the page to what is beside it, `/status/`, or nothing for files in one folder.
    """

    url: str
    prefix: str = ""


Write: TypeAlias = Callable[[Snapshot, int, Site], bytes]
"""(snapshot, second since the epoch, site) -> the document in UTF-8."""


class Form(NamedTuple):
    """A form of the status. media_type: without its charset, which is UTF-8."""

    media_type: str
    write: Write


def _page(snapshot: Snapshot, now_s: int, site: Site) -> bytes:
    return write_html(snapshot, now_s, site.prefix)


def _feed(snapshot: Snapshot, now_s: int, site: Site) -> bytes:
    return atom.write_atom(snapshot, now_s, site.url)


def _exact(snapshot: Snapshot, _now_s: int, _site: Site) -> bytes:
    return write_snapshot(snapshot)


def _statuspage(name: str, snapshot: Snapshot, now_s: int, site: Site) -> bytes:
    return statuspage.write(name, snapshot, now_s, site.url)


FORMS: Mapping[str, Form] = {
    **{f"api/v2/{name}": Form(_JSON, partial(_statuspage, name)) for name in statuspage.DOCUMENTS},
    "snapshot.json": Form(_JSON, _exact),
    "history.atom": Form(atom.MEDIA_TYPE, _feed),
    PAGE: Form("text/html", _page),
}
"""By the name below the page. The page is last, so that what it links to is there before it."""


def write_all(snapshot: Snapshot, now_s: int, site: Site) -> dict[str, bytes]:
    """Return all documents by their names, in the order in which to put them in place."""
    return {name: form.write(snapshot, now_s, site) for name, form in FORMS.items()}
