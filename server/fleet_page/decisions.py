"""Decisions that an advisory is critical, so that keys are to be replaced, for people. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from server.fleet.criterion import Decision
from server.fleet_page.said import number, plain
from server.pages import words

MAX_REASON = 2_000


class DecisionRow(NamedTuple):
    """Who decided what, when and why. edition: of the advisories that were known then."""

    what: str
    stamp: str
    at: str
    by: str
    reason: str
    edition: str


def decision_rows(decisions: Sequence[Decision], advisory_id: str) -> Sequence[DecisionRow]:
    """Return what was decided on an advisory, the newest first."""
    about = [one for one in decisions if one.advisory_id == advisory_id]
    return [
        DecisionRow(
            "Critical: keys are to be replaced" if one.critical else "Not critical any more",
            words.stamp(one.at_us),
            words.moment(one.at_us),
            plain(one.by),
            plain(one.reason, MAX_REASON),
            number(one.edition),
        )
        for one in sorted(about, key=lambda one: one.number, reverse=True)
    ]
