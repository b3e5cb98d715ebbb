"""The decision that a vulnerability of hardware is critical: a person's, with a reason, for good.

An advisory's author may call it critical; whether it is, so that keys are to be replaced, is
decided here by somebody who answers for it (Priority Support Schedule, section 2(e)(i)).
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

SECTION = "Priority Support Schedule, 2(e)(i)"
CRITERION = (
    "Subject to the terms and conditions of this Priority Support Schedule, Yubico will make"
    " available to Customer Updated Hardware when Yubico has become aware of a critical security"
    " vulnerability with a previous version of Hardware that could materially adversely affect the"
    " security of Customer\u2019s data. The determination of whether a critical security"
    " vulnerability exists that could materially adversely affect a Customer\u2019s data shall be"
    " made by Yubico in its sole discretion."
)
"""The words by which it is decided. A decision is kept with them: they may be others later."""


class Decision(NamedTuple):
    """A decision. edition: of the advisories that were known; by, reason: who and why.

    critical: False takes back an earlier one; number: counts all of them from 1.
    """

    number: int
    advisory_id: str
    critical: bool
    edition: int
    at_us: int
    by: str
    reason: str
    criterion: str


def in_force(decisions: Iterable[Decision]) -> Mapping[str, Decision]:
    """Return the decisions that stand: by advisory, the newest one where it says critical."""
    newest = {one.advisory_id: one for one in sorted(decisions, key=lambda one: one.number)}
    return {name: one for name, one in newest.items() if one.critical}
