"""What can be wrong with a host, as people look for it."""

import enum


class Trouble(enum.StrEnum):
    """What to look for among hosts."""

    CLASHES = "clashes"
    """Two reports came under one number: it was copied, or put back to an older state."""
    ALTERED = "altered"
    """It said otherwise than what a key proved of itself."""
    MISSING = "missing"
    """Reports never came, and the agent did not give them up."""
    SILENT = "silent"
    """It was marked so, for it did not report for as long as the organisation waits."""
    NEVER = "never"
    """It was enrolled, and no report ever came."""
    REPLACED = "replaced"
    """Another enrolment has its place."""
