"""Severity levels (Priority Support Schedule 2.f.i), and which of them a situation is.

The rules propose, with the sentence that matched; a person assigns. The sentences are the
schedule's own, with the service named as it is called here.
"""

import enum
from typing import NamedTuple


class Severity(enum.IntEnum):
    """1 is the worst."""

    SEV_1 = 1
    SEV_2 = 2
    SEV_3 = 3
    SEV_4 = 4


class Reach(enum.IntEnum):
    """How many customers or users it actively affects."""

    FEW = 0
    MANY = 1
    MOST = 2


class Workaround(enum.IntEnum):
    """Whether one can do without what is broken."""

    PRACTICAL = 0
    NOT_PRACTICAL = 1
    NONE = 2


class Situation(NamedTuple):
    """What is known of an event. Everything is false or least unless somebody found it so.

    unavailable: the validation service answers nobody rightly; critical: about to, or nearly;
    exposes_data: a vulnerability that exposes customers' data; essential: customers' essential
    business activities are impacted; degraded_severely: performance is; warranted: a member of
    staff deems it worth an incident response; degraded: it works, but e.g. without redundancy;
    severe: the problem is, in itself; upload_or_keys: it is with the Upload or API-key sites.
    """

    unavailable: bool = False
    critical: bool = False
    exposes_data: bool = False
    essential: bool = False
    degraded_severely: bool = False
    warranted: bool = False
    degraded: bool = False
    severe: bool = False
    upload_or_keys: bool = False
    reach: Reach = Reach.FEW
    workaround: Workaround = Workaround.PRACTICAL


class Proposal(NamedTuple):
    """A severity and the sentence of the schedule that it follows from."""

    severity: Severity
    sentence: str


def propose(situation: Situation) -> Proposal:
    """Return the first level whose description matches; questions and requests are what is left."""
    return _first(situation) or _second(situation) or _third(situation) or _LEAST


def _first(now: Situation) -> Proposal | None:
    if now.unavailable:
        return Proposal(Severity.SEV_1, "The validation service is unavailable.")
    no_workaround = now.workaround is Workaround.NONE
    if now.critical and now.reach >= Reach.MANY and no_workaround:
        return Proposal(
            Severity.SEV_1,
            "The validation service is in a critical state and is actively impacting a large"
            " number of customers or users with no possible workaround.",
        )
    if now.essential and now.reach >= Reach.MOST and no_workaround:
        return Proposal(
            Severity.SEV_1,
            "The issue with the validation service impacts essential customer business activities"
            " and is actively affecting most/all customers or customer users with no possible"
            " workaround.",
        )
    if now.exposes_data:
        return Proposal(
            Severity.SEV_1,
            "A customer-data-exposing security vulnerability has come to our attention.",
        )
    return None


def _second(now: Situation) -> Proposal | None:
    impractical = now.workaround >= Workaround.NOT_PRACTICAL
    if now.degraded_severely and now.reach >= Reach.MOST and impractical:
        return Proposal(
            Severity.SEV_2,
            "The validation service is experiencing severe performance degradation for most/all"
            " users with no practical or easily implemented workaround.",
        )
    if now.warranted:
        return Proposal(
            Severity.SEV_2,
            "Any other event of which an employee deems warrants an incident response.",
        )
    return None


def _third(now: Situation) -> Proposal | None:
    if now.degraded or now.degraded_severely or now.critical:
        return Proposal(
            Severity.SEV_3,
            "The validation service is functionally operating but in a degraded state (e.g. no"
            " redundancy; failure of one more instance of a resource will result in an outage,"
            " sub-optimal performance or capacity).",
        )
    if now.severe or now.essential:
        if now.reach < Reach.MOST and now.workaround is Workaround.PRACTICAL:
            return Proposal(
                Severity.SEV_3,
                "The issue is not affecting the majority of customers or users and a practical"
                " workaround exists.",
            )
        return Proposal(
            Severity.SEV_3,
            "The problem is severe but the validation service or issue does not impact essential"
            " business activity.",
        )
    if now.upload_or_keys:
        return Proposal(Severity.SEV_3, "The issue is with the Upload or API-key sites.")
    return None


_LEAST = Proposal(
    Severity.SEV_4,
    "The validation service or issue does not impact essential business activity.",
)
