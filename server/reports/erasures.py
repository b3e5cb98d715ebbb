"""What erased steps of an incident may have said of a period. Pure.

The chain holds of an erased step only when it was taken. It may have confirmed what was lost, named
clients, dismissed the incident or opened it again: what the steps that are left do not settle could
bear on a figure, and a figure on which it could is not proved.
"""

from collections.abc import Sequence
from typing import NamedTuple

from server.incidents.components import Component
from server.incidents.intervals import Span
from server.incidents.record import Amendment, Confirmation, Loss, Opening, Record
from server.incidents.states import Step

_US = 1_000_000
_RESOLVED = frozenset({Step.RESOLVED, Step.REPORTED})
_GOES_ON = frozenset({Step.REOPENED, Step.ACKNOWLEDGED, Step.MITIGATED, Step.WORSENED})


class Taken(NamedTuple):
    """A step at its place in the ledger. record: None once it was erased."""

    sequence: int
    time_us: int
    record: Record | None


def erased(history: Sequence[Taken]) -> list[int]:
    """Return the entries of an incident whose words are gone."""
    return [one.sequence for one in history if one.record is None]


def could_bear(history: Sequence[Taken], component: Component, span: Span) -> bool:
    """Whether an incident's erased steps could bear on a component's figure of some seconds.

    history: all of it, in the order of the ledger.
    """
    gone = [at for at, one in enumerate(history) if one.record is None]
    if not gone or span.seconds <= 0 or _is_of_another(history, component):
        return False
    last_gone = history[gone[-1]]
    left = [one.record for one in history[gone[-1] + 1 :] if one.record is not None]
    amended = [one.record.detail for one in history if one.record is not None]
    if any(
        isinstance(one, Amendment) and one.start < span.end and one.end > span.start
        for one in amended
    ):
        return True  # an amendment counts also of what was dismissed; for whom, may be erased
    ended = _end(left)
    if ended is Step.DISMISSED:
        return False
    confirmed = [one.detail for one in left if isinstance(one.detail, Confirmation)]
    if confirmed:  # it replaces whatever was confirmed before
        return any(_touches(one, span) for one in confirmed[-1].losses)
    # What is lost is confirmed after it began, and has an end before the incident is resolved.
    return ended is not Step.RESOLVED or last_gone.time_us > span.start * _US


def _is_of_another(history: Sequence[Taken], component: Component) -> bool:
    first = history[0].record
    opening = None if first is None else first.detail
    return isinstance(opening, Opening) and opening.component is not component


def _end(left: Sequence[Record]) -> Step | None:
    """Return how the incident ended as far as is known for sure, None when it is not."""
    ended: Step | None = None
    for one in left:
        if one.step in _RESOLVED:
            ended = Step.RESOLVED
        elif one.step is Step.DISMISSED:
            ended = Step.DISMISSED
        elif one.step in _GOES_ON:
            ended = None
    return ended


def _touches(loss: Loss, span: Span) -> bool:
    return loss.start < span.end and (loss.end is None or loss.end > span.start)
