"""The limit of a Client ID holds for all its users together, and refuses nobody below it.

When exactly the service decided is not visible from outside: somewhere between a request and its
answer. So two questions are asked of every client over its limit, and both err in its favour: is
there *any* order of decisions in which a limiter admits all that was admitted? and is there any
in which it refuses what was refused?
"""

import heapq
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from loadtest.proof.finding import Findings, Result
from loadtest.records import UNKNOWN_OUTCOME, Behaviour, Record
from validation.gcra import Rate


class Span(NamedTuple):
    """Between these two moments (us) a session was decided."""

    start: int
    end: int


class _Bucket:
    """The sessions of one budget: signed requests of a client, or its unsigned ones."""

    def __init__(self) -> None:
        self.admitted: list[Span] = []
        self.perhaps: list[Span] = []
        self.refused: list[Span] = []


class Limits:
    """Gathers the sessions at clients over their limit. rates: what each of these is held to."""

    def __init__(self, rates: Mapping[int, Rate]) -> None:
        self._rates = rates
        self._buckets: dict[tuple[int, bool], _Bucket] = {}

    def sent(self, record: Record) -> None:
        """Nothing is decided before an answer."""

    def answered(self, record: Record) -> None:
        """Sort a session in. Answers 429 cost nothing, everything else may have cost one."""
        if record.behaviour is not Behaviour.CROWDED:
            return
        bucket = self._buckets.setdefault((record.client_id, record.signed), _Bucket())
        span = Span(record.sent_us, record.answered_us)
        if record.throttled:
            bucket.refused.append(span)
        elif record.status in UNKNOWN_OUTCOME:
            bucket.perhaps.append(span)
        else:
            bucket.admitted.append(span)

    def result(self) -> Result:
        """Say what became of it."""
        findings = Findings()
        admitted = refused = 0
        for (client_id, signed), bucket in sorted(self._buckets.items()):
            whose = f"client {client_id}, {'signed' if signed else 'unsigned'} requests"
            rate = self._rates[client_id]
            admitted += len(bucket.admitted)
            refused += len(bucket.refused)
            late = first_too_many(bucket.admitted, rate)
            if late is not None:
                findings.add(f"{whose}: more sessions by {late.end} us than the limit admits")
            for span in unjustified(bucket.refused, bucket.admitted + bucket.perhaps, rate):
                findings.add(f"{whose}: refused below the limit at {span.start} us")
        return Result(
            "limits",
            "all users of a Client ID share its limit, and nobody below it is refused",
            admitted + refused,
            findings.count,
            0,
            tuple(findings.examples),
            f"{admitted} sessions admitted and {refused} refused at clients over their limit",
        )


def first_too_many(admitted: Sequence[Span], rate: Rate) -> Span | None:
    """Return a session that no limiter with this rate can have admitted, None if there is none.

    Admits each as early as it can, the most urgent first: for sessions of equal cost no other
    order admits more. The budget is taken for full at the start.
    """
    coming = sorted(admitted)
    pending: list[tuple[int, int]] = []
    taken = tat_us = now_us = 0
    while taken < len(coming) or pending:
        if not pending:
            now_us = max(now_us, coming[taken].start)
        now_us = max(now_us, tat_us - rate.slack_us)
        while taken < len(coming) and coming[taken].start <= now_us:
            heapq.heappush(pending, (coming[taken].end, coming[taken].start))
            taken += 1
        end, start = heapq.heappop(pending)
        if end < now_us:
            return Span(start, end)
        tat_us = max(tat_us, now_us) + rate.step_us
    return None


def unjustified(refused: Sequence[Span], charged: Sequence[Span], rate: Rate) -> list[Span]:
    """Return the refusals at whose time the budget cannot have been spent, whatever the order.

    A budget is as empty as can be when every session was charged as late as it can be. What was
    spent before the first of these requests is unknown, and taken for everything. A refusal may
    rest on an earlier one that told when to come back, late by as much as that one's answer took.
    """
    if not refused:
        return []
    late_us = max(span.end - span.start for span in refused)
    first_us = min(span.start for span in (*refused, *charged))
    tat_us = first_us + rate.slack_us + rate.step_us
    starts = sorted(span.start for span in charged)
    ends = sorted(span.end for span in charged)
    begun = done = 0
    wrong = []
    for span in sorted(refused, key=lambda one: one.start):
        from_us = span.start - late_us
        while done < len(ends) and ends[done] < from_us:
            tat_us = max(tat_us, ends[done]) + rate.step_us
            done += 1
        while begun < len(starts) and starts[begun] <= span.end:
            begun += 1
        # At worst all that were undecided during this time were charged before it was refused.
        worst_us = max(tat_us, from_us) + (begun - done) * rate.step_us
        if worst_us <= from_us + rate.slack_us:
            wrong.append(span)
    return wrong
