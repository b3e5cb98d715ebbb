"""Histories as an honest service writes them, for every order in which it may have decided."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from hypothesis import strategies as st

from loadtest.ledger import moments
from loadtest.proof.finding import Property, Result
from loadtest.records import NO_ANSWER, OVER_THE_LIMIT, Behaviour, Record, digest
from validation.status import Status

KEYS = ("cccb", "cccd")


class Attempt(NamedTuple):
    """A request as it happens. decided_us: within sent_us .. sent_us + took_us."""

    sent_us: int
    before_us: int
    after_us: int
    key: str
    use: int
    behaviour: Behaviour
    is_heard: bool

    @property
    def decided_us(self) -> int:
        return self.sent_us + self.before_us


ATTEMPTS = st.lists(
    st.builds(
        Attempt,
        sent_us=st.integers(0, 400),
        before_us=st.integers(0, 40),
        after_us=st.integers(0, 40),
        key=st.sampled_from(KEYS),
        use=st.integers(0, 5),
        behaviour=st.sampled_from(
            [Behaviour.CROWDED, Behaviour.REFUSED, Behaviour.GARBLED, Behaviour.REPLAYED]
        ),
        is_heard=st.integers(0, 5).map(bool),
    ),
    max_size=40,
)
"""Anything a run could try, in any order: also OTPs that older ones of their key come after."""


def honest(attempts: Iterable[Attempt], *, limited: Sequence[bool] = ()) -> list[Record]:
    """Return what an honest service answers, in the order of the answers.

    limited: for the n-th decision, whether it is refused over a limit.
    """
    counters: dict[str, tuple[int, int]] = {}
    records = []
    for number, one in enumerate(sorted(attempts, key=lambda each: each.decided_us)):
        offered = (1, one.use)
        code = 200
        if one.behaviour is Behaviour.REFUSED:
            status: str = Status.BAD_SIGNATURE
        elif one.behaviour is Behaviour.GARBLED:
            status = Status.BAD_OTP
        elif limited and limited[number % len(limited)]:
            status, code = Status.OPERATION_NOT_ALLOWED, OVER_THE_LIMIT
        elif offered > counters.get(one.key, (-1, -1)):
            counters[one.key] = offered
            status = Status.OK
            # Whether it is a replay is known only afterwards: what got OK was none.
            one = one._replace(behaviour=Behaviour.CROWDED)  # noqa: PLW2901 - see above
        else:
            status = Status.REPLAYED_OTP
        record = Record(
            one.sent_us,
            one.before_us + one.after_us,
            one.behaviour,
            7,
            True,
            one.key,
            offered,
            digest(str(number)),
            code if one.is_heard else 0,
            status if one.is_heard else NO_ANSWER,
            one.is_heard,
        )
        records.append(record)
    return sorted(records, key=lambda record: record.answered_us)


def played(records: Sequence[Record], *properties: Property) -> list[Result]:
    """Play a history back to properties."""
    ordered = sorted(records, key=lambda record: record.answered_us)
    longest_us = max((record.took_us for record in ordered), default=0)
    for moment in moments(ordered, longest_us):
        for each in properties:
            (each.answered if moment.answered else each.sent)(moment.record)
    return [each.result() for each in properties]


def record(
    status: str,
    sent_us: int,
    *,
    behaviour: Behaviour = Behaviour.VALID,
    use: int = 0,
    took_us: int = 10,
    key: str = "cccb",
    code: int = 200,
    genuine: bool = True,
) -> Record:
    """Return a record of one key at client 7."""
    nonce = digest(f"{sent_us}")
    return Record(sent_us, took_us, behaviour, 7, True, key, (1, use), nonce, code, status, genuine)
