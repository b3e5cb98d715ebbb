"""How a command ends: its exit codes, and the exception that says why."""

import enum


class Exit(enum.IntEnum):
    """Exit codes of `keystead`, the same for every command."""

    OK = 0
    REFUSED = 1
    USAGE = 2
    NOT_FOUND = 3
    UNREACHABLE = 4
    DAMAGED = 5
    UNPROVABLE = 6


class CommandError(Exception):
    """A command cannot do what was asked. The message is for a person; code: its exit code."""

    def __init__(self, message: str, code: Exit = Exit.REFUSED) -> None:
        super().__init__(message)
        self.code = code


EXPLAINED = (
    "Exit codes: 0 done; 1 refused or failed; 2 wrong usage; 3 no such thing;"
    " 4 the service does not answer; 5 the journal or an archive was tampered with;"
    " 6 a report cannot be proved any more."
)
