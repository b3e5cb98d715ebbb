"""Addresses below `/fleet`, and the filters in them: read strictly, written in one way. Pure.

An address that came with a request, as the page to go back to, is never used as it is: what was
understood of it is written anew, and what was not leads to the overview.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import parse_qsl, quote, urlencode

from server.fleet.firmware import VersionError, parse_beginning
from server.fleet.health import Level
from server.fleet.holder_ports import HolderSearch
from server.fleet.holders import HolderKind
from server.fleet.paging import Place
from server.fleet.ports import Search
from server.fleet.trouble import Trouble

ROOT = "/fleet"
KEYS = f"{ROOT}/keys"
HOSTS = f"{ROOT}/hosts"
ADVISORIES = f"{ROOT}/advisories"
HOLDERS = f"{ROOT}/holders"
SIGN_IN = f"{ROOT}/sign-in"
SIGN_OUT = f"{ROOT}/sign-out"

MAX_FIELD = 253
_MAX_ADDRESS = 2_000
_MAX_SERIAL_DIGITS = 10
_MAX_RULE = 64
_ENTRY = re.compile(r"[0-9a-z:]{0,110}", re.ASCII)
_ADVISORY = re.compile(rf"{ADVISORIES}/([A-Z]{{2,5}}-[0-9-]{{1,20}})", re.ASCII)
_KEY = re.compile(rf"{KEYS}/([0-9a-z:]{{1,110}})", re.ASCII)


class FieldError(ValueError):
    """What somebody looks for makes no sense. field: where; the message says what would."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class KeyFilter(NamedTuple):
    """Which keys to show, as it was typed: "" for whichever."""

    serial: str = ""
    host: str = ""
    firmware: str = ""
    level: str = ""
    rule: str = ""

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing is looked for in particular."""
        return not any(self)

    def search(self) -> Search:
        """Return what the store looks for. FieldError."""
        if self.serial and not (
            self.serial.isascii()
            and self.serial.isdecimal()
            and len(self.serial) <= _MAX_SERIAL_DIGITS
        ):
            raise FieldError("serial", "A serial number has up to ten digits and nothing else.")
        if self.level and self.level not in set(Level):
            raise FieldError("level", f"Health is one of {', '.join(Level)}.")
        if len(self.rule) > _MAX_RULE:
            raise FieldError("rule", "There is no such rule.")
        try:
            firmware = parse_beginning(self.firmware) if self.firmware else None
        except VersionError:
            raise FieldError(
                "firmware", "Write the whole numbers a version begins with: 5, 5.4 or 5.4.3."
            ) from None
        return Search(
            serial=int(self.serial) if self.serial else None,
            host_name=self.host or None,
            firmware=firmware,
            rule=self.rule or None,
            level=Level(self.level) if self.level else None,
        )


class HostFilter(NamedTuple):
    """Which hosts to show, as it was typed. name: how it begins."""

    name: str = ""
    trouble: str = ""

    def wanted(self) -> Trouble | None:
        """Return what is to be wrong with them. FieldError."""
        if self.trouble and self.trouble not in set(Trouble):
            raise FieldError("trouble", f"That is one of {', '.join(Trouble)}.")
        return Trouble(self.trouble) if self.trouble else None


class HolderFilter(NamedTuple):
    """Which holders to show, as it was typed. person: in whatever spelling of the name."""

    person: str = ""
    kind: str = ""

    def search(self) -> HolderSearch:
        """Return what the store looks for. FieldError."""
        if self.kind and self.kind not in set(HolderKind):
            raise FieldError("kind", f"That is one of {', '.join(HolderKind)}.")
        kind = HolderKind(self.kind) if self.kind else None
        return HolderSearch(self.person or None, kind)


class HitFilter(NamedTuple):
    """Which keys that an advisory hits: `affected`, `exposed`, `unknown`, "" for all of them."""

    show: str = ""


HIT_WORDS = ("affected", "exposed", "unknown")


def read_filter(query: Mapping[str, str]) -> KeyFilter:
    """Return the filter of keys in a query. FieldError for what no field holds."""
    return KeyFilter(*(_field(query, name) for name in KeyFilter._fields))


def read_host_filter(query: Mapping[str, str]) -> HostFilter:
    """Return the filter of hosts in a query. FieldError for what no field holds."""
    return HostFilter(*(_field(query, name) for name in HostFilter._fields))


def read_holder_filter(query: Mapping[str, str]) -> HolderFilter:
    """Return the filter of holders in a query. FieldError for what no field holds."""
    return HolderFilter(*(_field(query, name) for name in HolderFilter._fields))


def read_hit_filter(query: Mapping[str, str]) -> HitFilter:
    """Return which hits are to be shown. FieldError."""
    show = _field(query, "show")
    if show and show not in HIT_WORDS:
        raise FieldError("show", f"That is one of {', '.join(HIT_WORDS)}.")
    return HitFilter(show)


def read_place(query: Mapping[str, str]) -> Place:
    """Return where a page lies: behind `after`, or before `before`. FieldError."""
    before, after = query.get("before", ""), query.get("after", "")
    entry = before or after
    if (before and after) or _ENTRY.fullmatch(entry) is None:
        raise FieldError("page", "There is no such page: begin with the first one.")
    return Place(entry, bool(before))


def address(
    path: str, filters: tuple[str, ...] = (), place: Place | None = None, **more: str
) -> str:
    """Return an address; of filters and of what is more only what says something.

    filters: a NamedTuple of texts, whose names are the parameters'.
    """
    names: tuple[str, ...] = getattr(filters, "_fields", ())
    query = {name: text for name, text in zip(names, filters, strict=True) if text}
    if place is not None and place.entry:
        query["before" if place.is_before else "after"] = place.entry
    query |= {name: text for name, text in more.items() if text}
    return f"{path}?{urlencode(query, quote_via=quote)}" if query else path


def key_address(key_id: str, back: str = "") -> str:
    """Return where a key is shown. back: the list that somebody comes from."""
    return address(f"{KEYS}/{quote(key_id, safe=':')}", back=back)


class Way(NamedTuple):
    """A way back. address: where to; text: what is there."""

    address: str
    text: str


_ALL_KEYS = Way(KEYS, "All keys")


def way_back(text: str) -> Way:
    """Return the list that an address names, written anew; what is none leads to all keys."""
    path, query = _apart(text)
    try:
        place = read_place(query)
        if path == KEYS:
            filters = read_filter(query)
            said = "All keys" if filters.is_empty else "Keys that were looked for"
            return Way(address(KEYS, filters, place), said)
        if path == HOLDERS:
            return Way(address(HOLDERS, read_holder_filter(query), place), "Holders")
        advisory = _ADVISORY.fullmatch(path)
        if advisory is not None:
            hits = read_hit_filter(query)
            return Way(address(path, hits, place), f"Keys of {advisory[1]}")
    except FieldError:
        pass
    return _ALL_KEYS


def rewritten(text: str) -> str:
    """Return the address of a page of ours, written anew; what is none leads to the overview."""
    path, query = _apart(text)
    try:
        place = read_place(query)
        if path == HOSTS:
            return address(HOSTS, read_host_filter(query), place)
        if path == ADVISORIES:
            return ADVISORIES
        if path in {KEYS, HOLDERS} or _ADVISORY.fullmatch(path) is not None:
            return way_back(text).address
        if _KEY.fullmatch(path) is not None:
            back = way_back(query["back"]).address if "back" in query else ""
            return address(path, back=back)
    except FieldError:
        pass
    return ROOT


def _apart(text: str) -> tuple[str, dict[str, str]]:
    if len(text) > _MAX_ADDRESS:
        return "", {}
    path, _, query = text.partition("?")
    try:
        return path, dict(parse_qsl(query, max_num_fields=20))
    except ValueError:
        return "", {}


def _field(query: Mapping[str, str], name: str) -> str:
    text = query.get(name, "").strip(" ")
    if len(text) > MAX_FIELD or not text.isprintable():
        raise FieldError(
            name, f"Write up to {MAX_FIELD} characters that can be seen, and no others."
        )
    return text
