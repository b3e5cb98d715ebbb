"""The parameters of the admin API: their form in a path or a query, for the door and the document.

A path's parameter that does not have its form names nothing: the path is not there.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from server.accounts.text import MAX_REASON, OPERATOR_NAME
from server.moving.ports import File

MAX_PAGE = 1000
LARGEST_NUMBER = 10**18 - 1
"""Eighteen digits: within the 64 bits of both engines."""

_NUMBER = "[0-9]{1,18}"
KEY_ID = "(?:serial:[0-9]{1,10}|hash:[0-9a-f]{64}|kind:[0-9a-f]{32}:[0-9a-f]{64})"


class PathParameter(NamedTuple):
    """A part of a path. pattern: what the door takes; schema: the same as JSON Schema."""

    pattern: str
    schema: Mapping[str, Any]
    text: str


class QueryParameter(NamedTuple):
    """A parameter of a query. schema: JSON Schema of its value."""

    name: str
    schema: Mapping[str, Any]
    text: str
    required: bool = False


def _number(text: str) -> PathParameter:
    schema = {"type": "integer", "minimum": 0, "maximum": LARGEST_NUMBER}
    return PathParameter(_NUMBER, schema, text)


PATH_PARAMETERS: Mapping[str, PathParameter] = {
    "customer_id": _number("The customer's id."),
    "contact_id": _number("The contact's id."),
    "client_id": _number("The Client ID."),
    "incident_id": _number("The incident's number."),
    "maintenance_id": _number("The maintenance's number."),
    "host_id": PathParameter(
        "[0-9a-f]{32}", {"type": "string", "pattern": "^[0-9a-f]{32}$"}, "The host's id."
    ),
    "key_id": PathParameter(
        KEY_ID,
        {"type": "string", "pattern": f"^{KEY_ID}$"},
        "The key's id in the fleet, as serial:10000001.",
    ),
    "advisory_id": PathParameter(
        "[A-Z]{2,5}-[0-9-]{1,20}",
        {"type": "string", "pattern": "^[A-Z]{2,5}-[0-9-]{1,20}$"},
        "The advisory's id, as YSA-2024-03.",
    ),
    "delivery_number": _number("The delivery's number."),
    "sequence": _number("The entry's number."),
    "day": PathParameter(
        "[0-9]{4}-[0-9]{2}-[0-9]{2}",
        {"type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"},
        "The day, like 2026-10-03.",
    ),
    "number": _number("The token's number, which stands in it."),
    "public_id": PathParameter(
        "[^{}/]+",
        {"type": "string", "pattern": "^[^{}/]+$"},
        'The letters that every OTP of the key begins with; "-" for a key without any.',
    ),
    "file": PathParameter(
        "|".join(File),
        {"type": "string", "enum": [file.value for file in File]},
        "Which of the reference server's files.",
    ),
    "name": PathParameter(
        OPERATOR_NAME,
        {"type": "string", "pattern": f"^{OPERATOR_NAME}$"},
        "The operator's name.",
    ),
}

AFTER = QueryParameter(
    "after",
    {"type": "integer", "minimum": 0, "maximum": LARGEST_NUMBER},
    "Only what comes after this one: `next` of the page before.",
)
AFTER_NAME = QueryParameter(
    "after",
    {"type": "string", "maxLength": 100},
    "Only what comes after this one: `next` of the page before.",
)
LIMIT = QueryParameter(
    "limit",
    {"type": "integer", "minimum": 0, "maximum": MAX_PAGE},
    "How many at most; 100 without it.",
)
REASON = QueryParameter(
    "reason",
    {"type": "string", "maxLength": MAX_REASON},
    "Why, for whoever reads the journal later. Characters that can be shown only.",
)
OPEN_ONLY = QueryParameter(
    "open",
    {"type": "string", "enum": ["no", "yes"]},
    "Only what somebody has to do something about.",
)
NEEDED_REASON = REASON._replace(required=True)
FORMAT = QueryParameter("format", {"type": "string", "enum": ["ksm"]}, "The file's format.", True)
DRY_RUN = QueryParameter(
    "dry_run", {"type": "string", "enum": ["no", "yes"]}, "Say what would change; change nothing."
)
WITH_SECRETS = QueryParameter(
    "with_secrets",
    {"type": "string", "enum": ["no", "yes"]},
    "Needed for keys and clients: their secrets leave in the clear.",
)
_MOMENT = {"type": "string", "format": "date-time", "maxLength": 40}
FROM = QueryParameter(
    "from", _MOMENT, "The first minute, as in 2026-02-28T12:00:00Z; a day before `to` without it."
)
TO = QueryParameter("to", _MOMENT, "The minute after the last one; now without it.")
STEP = QueryParameter(
    "step",
    {"type": "string", "enum": ["minute", "hour", "day"]},
    "What is added up, by UTC; hours without it.",
)
SERIAL = QueryParameter(
    "serial",
    {"type": "integer", "minimum": 0, "maximum": LARGEST_NUMBER},
    "Only the key with this serial number.",
)
HOST = QueryParameter(
    "host", {"type": "string", "maxLength": 253}, "Only keys that a host of this name saw."
)
FIRMWARE = QueryParameter(
    "firmware",
    {"type": "string", "pattern": r"^[0-9]{1,3}(\.[0-9]{1,3}){0,2}$"},
    "Only keys whose firmware begins so: 5.4 is 5.4.x.",
)
RULE = QueryParameter(
    "rule",
    {"type": "string", "maxLength": 64},
    "Only keys in which this rule of health found a fault.",
)
HOST_RULE = QueryParameter(
    "rule",
    {"type": "string", "enum": ["software-not-current"]},
    "Only hosts in whose software this rule found a fault; a page may be short of its limit then.",
)
LEVEL = QueryParameter(
    "level",
    {"type": "string", "enum": ["danger", "warning", "notice"]},
    "Only keys whose worst fault is of this level.",
)
BEFORE = QueryParameter(
    "before",
    {"type": "integer", "minimum": 0, "maximum": LARGEST_NUMBER},
    "Only changes with a number below this one.",
)
KIND = QueryParameter(
    "kind", {"type": "string", "maxLength": 100}, "Only what was done to things of this kind."
)
ID = QueryParameter(
    "id", {"type": "string", "maxLength": 100}, "Only what was done to this one of its kind."
)
