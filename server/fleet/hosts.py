"""A host: a machine with an agent, the key that signs its reports, and how far its reports are."""

import enum
from collections.abc import Mapping
from typing import NamedTuple


class HostState(enum.StrEnum):
    """Whether reports of a host are taken."""

    ACTIVE = "active"
    REPLACED = "replaced"
    """Another enrolment has its place."""
    ERASED = "erased"
    """Somebody wanted it forgotten: its id alone is kept, so that it does not come back."""


RESTORED = "restored:"
"""What a host's `report_id` begins with since its store was restored from a backup."""


class Host(NamedTuple):
    """A host as it is kept; times in microseconds of the epoch.

    public_key: raw Ed25519; sequence, report_id: of its last report, 0 and "" before the first;
    dropped: reports that the agent gave up; missing: sequence numbers that never came and that it
    did not give up; clashes: reports under a number that another one had;
    altered: times that it contradicted what a key proved of itself; person: whose it is, "" =
    nobody said; person_after: what it saw up to this day (ISO) was seen with an earlier one;
    silent_us: when it was noticed that it had not reported for long; software: releases of programs
    that have to do with keys, by package.
    """

    host_id: str
    name: str
    public_key: bytes
    state: HostState
    system: str
    agent: str
    enrolled_us: int
    release: str = ""
    reported_us: int | None = None
    sequence: int = 0
    report_id: str = ""
    dropped: int = 0
    missing: int = 0
    clashes: int = 0
    altered: int = 0
    person: str = ""
    person_after: str = ""
    silent_us: int | None = None
    software: Mapping[str, str] = {}

    @property
    def is_restored(self) -> bool:
        """Tell whether a backup was restored since its last report: some of them may be lost."""
        return self.report_id.startswith(RESTORED)

    @property
    def last_report(self) -> str:
        """The id of its last report that is known here, "" before the first."""
        return self.report_id.removeprefix(RESTORED)

    @property
    def heard_us(self) -> int:
        """When it was heard last: its last report, or its enrolment."""
        return self.enrolled_us if self.reported_us is None else self.reported_us

    @property
    def is_silent(self) -> bool:
        """Tell whether it was marked silent, and has not reported since."""
        return self.silent_us is not None and self.silent_us > self.heard_us

    def erased(self) -> "Host":
        """Return what is left of a host that was forgotten."""
        return Host(self.host_id, "", b"", HostState.ERASED, "", "", self.enrolled_us)
