"""What a look at the log finds: kinds in a closed list, so that metrics and facts can name them."""

import enum
from typing import NamedTuple


class Kind(enum.StrEnum):
    """What was found. The words stand in the archive, in facts and as labels of a metric."""

    BREAK = "break"  # a digest does not follow: an entry was altered, or the log is another's
    GAP = "gap"  # numbers are missing: entries were overwritten, or somebody else took them
    WENT_BACK = "went-back"  # the log is older than what was archived: an old state was put back
    RESET = "reset"  # the device was reset: all its keys are gone
    UNLOGGED_BOOTS = "unlogged-boots"
    UNLOGGED_AUTHENTICATIONS = "unlogged-authentications"
    OUTSIDE_ROLE = "outside-role"  # a command that the manifest does not give this role
    UNKNOWN_KEY = "unknown-key"  # a session of an authentication key that the manifest lacks
    UNKNOWN_OBJECT = "unknown-object"  # something was made that the manifest lacks
    FACTORY_KEY = "factory-key"  # the factory's key at work where a ceremony had removed it
    UNEXPECTED_BOOT = "unexpected-boot"  # hardware started while the service ran
    ARCHIVE = "archive"  # the archive is not the one that was written
    UNACCOUNTED = "unaccounted-aeads"  # created and stored AEADs are not the same number
    BEGAN_LATE = "began-late"
    BOOT = "boot"
    CEREMONY = "ceremony"


NOTICES = frozenset({Kind.BEGAN_LATE, Kind.BOOT, Kind.CEREMONY})
"""What belongs into the archive and is no alarm: it is expected, or nothing can be said of it."""

CHAIN = frozenset(
    {
        Kind.BREAK,
        Kind.GAP,
        Kind.WENT_BACK,
        Kind.RESET,
        Kind.UNLOGGED_BOOTS,
        Kind.UNLOGGED_AUTHENTICATIONS,
        Kind.BEGAN_LATE,
    }
)
"""What follows from the entries alone, so that whoever verifies an archive finds it again."""


class Finding(NamedTuple):
    """One thing found. number: the entry's, None when it is none; what: a sentence for a person."""

    kind: Kind
    number: int | None
    what: str

    @property
    def is_alarm(self) -> bool:
        """Whether somebody should look now."""
        return self.kind not in NOTICES
