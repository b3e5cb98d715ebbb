"""The history as an Atom feed (RFC 4287): an entry for each incident and each maintenance.

An entry's id never changes and its `updated` moves with what was told last, so that a reader shows
each thing once and shows it again when there is more to it.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple
from xml.etree import ElementTree as ET

from server.maintenance.plan import condition_of
from server.pages import words
from server.status import names
from server.status.snapshot import PublicIncident, Snapshot, Work

MEDIA_TYPE = "application/atom+xml"
_SPACE = "http://www.w3.org/2005/Atom"
_US = 1_000_000
_UNWRITABLE = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 cannot hold, escaped or not."""


class _Entry(NamedTuple):
    anchor: str
    title: str
    began_us: int
    updated_us: int
    lines: Sequence[str]


def write_atom(snapshot: Snapshot, now_s: int, url: str) -> bytes:
    """Return the feed. url: where the page is, which also makes the ids."""
    entries = [
        *map(_incident, snapshot.incidents),
        *(_work(one, now_s) for one in snapshot.maintenance),
    ]
    entries.sort(key=lambda entry: (-entry.updated_us, entry.anchor))
    feed = ET.Element("feed", xmlns=_SPACE)
    _text(feed, "title", f"{snapshot.service} status")
    _text(feed, "id", url)
    ET.SubElement(feed, "link", rel="alternate", type="text/html", href=url)
    ET.SubElement(feed, "link", rel="self", type=MEDIA_TYPE, href=f"{url}/history.atom")
    midnight_us = snapshot.read_us - snapshot.read_us % (86_400 * _US)
    newest = max((entry.updated_us for entry in entries), default=midnight_us)
    _text(feed, "updated", words.stamp(newest))
    _text(ET.SubElement(feed, "author"), "name", snapshot.service)
    for entry in entries:
        _add(feed, entry, url)
    ET.indent(feed, " ")
    text: bytes = ET.tostring(feed, encoding="utf-8", xml_declaration=True)
    return text + b"\n"


def _incident(one: PublicIncident) -> _Entry:
    about = [names.COMPONENT[one.component], names.STATE[one.state]]
    if one.severity is not None:
        about.insert(1, names.SEVERITY[one.severity])
    told = [
        f"{words.moment(update.at_us)} - {names.STATE[update.state]}: {names.told(update)}"
        for update in reversed(one.updates)
    ]
    last = one.updates[-1].at_us
    return _Entry(
        f"incident-{one.reference}", one.title, one.reported_us, last, [", ".join(about), *told]
    )


def _work(one: Work, now_s: int) -> _Entry:
    condition = condition_of(one.state, one.span, now_s)
    told = [
        f"{words.moment(step.at_us)} - {names.STEP[step.step]}: {words.window(*step.span)}"
        for step in reversed(one.steps)
    ]
    about = f"Maintenance of {names.COMPONENT[one.component]}, {names.CONDITION[condition]}"
    first, last = one.steps[0].at_us, one.steps[-1].at_us
    return _Entry(f"maintenance-{one.maintenance_id}", one.title, first, last, [about, *told])


def _add(feed: ET.Element, entry: _Entry, url: str) -> None:
    element = ET.SubElement(feed, "entry")
    _text(element, "title", entry.title)
    _text(element, "id", f"{url}#{entry.anchor}")
    ET.SubElement(element, "link", rel="alternate", type="text/html", href=f"{url}#{entry.anchor}")
    _text(element, "published", words.stamp(min(entry.began_us, entry.updated_us)))
    _text(element, "updated", words.stamp(entry.updated_us))
    content = _text(element, "content", "\n\n".join(entry.lines))
    content.set("type", "text")


def _text(parent: ET.Element, name: str, text: str) -> ET.Element:
    element = ET.SubElement(parent, name)
    element.text = _UNWRITABLE.sub("", text)
    return element
