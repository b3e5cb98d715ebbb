"""How many there are: keys by health, rule and firmware, hosts by what is wrong with them. Pure."""

import enum
from collections.abc import Mapping
from typing import NamedTuple

from server.fleet.firmware import Version
from server.fleet.health import Level

VERSIONS = 40
"""Versions that are told apart, those of most keys: a laptop can make up any number of them."""

SILENT_DAYS = 7
"""A host that reported nothing for so long is silent."""


class Trouble(enum.StrEnum):
    """What to look for among hosts."""

    CLASHES = "clashes"
    """Two reports came under one number: it was copied, or put back to an older state."""
    ALTERED = "altered"
    """It said otherwise than what a key proved of itself."""
    MISSING = "missing"
    """Reports never came, and the agent did not give them up."""
    SILENT = "silent"
    NEVER = "never"
    """It was enrolled, and no report ever came."""
    REPLACED = "replaced"
    """Another enrolment has its place."""


class FleetCounts(NamedTuple):
    """Numbers of one moment. levels: keys by the worst that was found, None: nothing.

    rules: keys in which each rule found something; firmware: keys by version, None: it is not
    known; other: keys of still other versions. hosts: those that report, or could.
    """

    keys: int
    levels: Mapping[Level | None, int]
    rules: Mapping[str, int]
    firmware: Mapping[Version | None, int]
    other: int
    hosts: int
    troubles: Mapping[Trouble, int]
