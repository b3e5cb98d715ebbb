"""Proposed incidents: adjacent minutes in which something was lost, for a person to confirm. Pure.

A person confirms start and end; until then, and after it too, what was measured counts where it
is the larger.
"""

from collections.abc import Iterable
from fractions import Fraction
from typing import NamedTuple

from server.incidents.intervals import Span
from server.uptime.figures import Piece


class Proposal(NamedTuple):
    """Seconds to confirm. worst: the largest impact in them; lost: seconds weighed by impact."""

    span: Span
    worst: Fraction
    lost: Fraction


def propose(pieces: Iterable[Piece]) -> list[Proposal]:
    """Return what adjacent pieces with an impact come to. pieces: in order of their starts."""
    proposals: list[Proposal] = []
    for span, impact in pieces:
        if not impact:
            continue
        lost = impact * span.seconds
        if proposals and proposals[-1].span.end == span.start:
            known = proposals[-1]
            proposals[-1] = Proposal(
                Span(known.span.start, span.end), max(known.worst, impact), known.lost + lost
            )
        else:
            proposals.append(Proposal(span, impact, lost))
    return proposals
