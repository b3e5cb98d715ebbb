"""An advisory on firmware: which products it affects, and when they are in danger."""

import enum
from typing import Any, NamedTuple

from server.fleet.conditions import CONDITIONS
from server.fleet.file_members import id_of, text_of
from server.fleet.firmware import Version, VersionError, VersionRange
from server.fleet.product_lines import ProductLine
from server.journal.canonical import MalformedError, exactly, member

MAX_PRODUCTS = 64


class Versioned(enum.StrEnum):
    """Whose version a range is of."""

    FIRMWARE = "firmware"
    OPENPGP_APPLET = "openpgp-applet"


class Product(NamedTuple):
    """Keys of one line within a range of versions. nfc: only those with an antenna."""

    line: ProductLine
    versions: VersionRange
    of: Versioned = Versioned.FIRMWARE
    nfc: bool = False


class Advisory(NamedTuple):
    """An advisory. affects: for certain; unclear: what nobody has said clearly of.

    condition: a name of `conditions.CONDITIONS`; explained: the same in words for people;
    critical: what its author thinks, which is not the decision of schedule 2(e)(i).
    """

    advisory_id: str
    cve: str | None
    title: str
    affects: tuple[Product, ...]
    unclear: tuple[Product, ...]
    condition: str
    explained: str
    critical: bool
    source: str
    note: str

    @classmethod
    def of_json(cls, value: dict[str, Any]) -> "Advisory":
        """Read an advisory from its file; MalformedError says of which and why."""
        name = id_of(value)
        try:
            exactly(value, _MEMBERS)
            return cls(
                name,
                None if value["cve"] is None else text_of(value, "cve"),
                text_of(value, "title"),
                _products(value, "affects"),
                _products(value, "unclear"),
                _condition(value),
                text_of(value, "explained"),
                member(value, "critical", bool),
                text_of(value, "source"),
                text_of(value, "note"),
            )
        except (MalformedError, VersionError) as error:
            raise MalformedError(f"advisory {name}: {error}") from None

    def to_json(self) -> dict[str, Any]:
        """Return what `of_json` reads."""
        return {
            "id": self.advisory_id,
            "cve": self.cve,
            "title": self.title,
            "affects": [_written(product) for product in self.affects],
            "unclear": [_written(product) for product in self.unclear],
            "condition": self.condition,
            "explained": self.explained,
            "critical": self.critical,
            "source": self.source,
            "note": self.note,
        }


_MEMBERS = frozenset(
    {"id", "cve", "title", "affects", "unclear", "condition", "explained", "critical"}
    | {"source", "note"}
)
_PRODUCT = frozenset({"line", "from", "below", "of", "nfc"})


def _condition(value: dict[str, Any]) -> str:
    name = text_of(value, "condition")
    if name not in CONDITIONS:
        raise MalformedError(f"the condition {name!r} is not known here")
    return name


def _products(value: dict[str, Any], name: str) -> tuple[Product, ...]:
    listed: list[Any] = member(value, name, list)
    if len(listed) > MAX_PRODUCTS:
        raise MalformedError(f'"{name}" has more than {MAX_PRODUCTS} products')
    return tuple(_product(one) for one in listed)


def _product(value: object) -> Product:
    if not isinstance(value, dict):
        raise MalformedError("a product is a JSON object")
    exactly(value, _PRODUCT)
    try:
        line, of = ProductLine(value["line"]), Versioned(value["of"])
    except ValueError as error:
        raise MalformedError(str(error)) from None
    start, end = (
        None if value[edge] is None else Version.parse(member(value, edge, str))
        for edge in ("from", "below")
    )
    if start is not None and end is not None and end <= start:
        raise MalformedError(f"the range of {line.value} ends before it begins")
    return Product(line, VersionRange(start, end), of, member(value, "nfc", bool))


def _written(product: Product) -> dict[str, Any]:
    start, end = product.versions
    return {
        "line": product.line.value,
        "from": None if start is None else str(start),
        "below": None if end is None else str(end),
        "of": product.of.value,
        "nfc": product.nfc,
    }
