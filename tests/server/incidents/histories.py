"""Histories for tests, and any history that hypothesis can think of."""

from hypothesis import strategies as st

from server.incidents.record import (
    Affected,
    Amendment,
    Assignment,
    Author,
    AuthorKind,
    Component,
    Confirmation,
    Detail,
    Incident,
    Loss,
    Opening,
    Origin,
    Record,
    Severity,
    Step,
    Update,
)

OPENED_US = 1_790_000_000_000_000
EVE = Author(AuthorKind.OPERATOR, "eve")
SYSTEM = Author(AuthorKind.SYSTEM, "keystead")

_DETAILLESS = (
    Step.NOTE,
    Step.ACKNOWLEDGED,
    Step.MITIGATED,
    Step.WORSENED,
    Step.RESOLVED,
    Step.REOPENED,
    Step.DISMISSED,
)


def opening(
    severity: Severity = Severity.SEV_1, *, customer: int | None = None, public: bool = True
) -> Record:
    """Return the first record of an incident of the validation."""
    detail = Opening(
        Component.VALIDATION,
        "Nobody gets an answer",
        Origin.PERSON,
        severity,
        "The validation service is unavailable.",
        OPENED_US,
        customer,
        public,
    )
    return Record(Step.OPENED, OPENED_US, EVE, "", detail)


def incident(*steps: tuple[Step, int, Author] | Record, first: Record | None = None) -> Incident:
    """Return an incident: an opening and steps, each with the seconds since the opening."""
    later = (
        one
        if isinstance(one, Record)
        else Record(one[0], OPENED_US + one[1] * 1_000_000, one[2], "", _needed(one[0]))
        for one in steps
    )
    return Incident(1, (first or opening(), *later))


def _needed(step: Step) -> Detail:
    return Update(public=True) if step is Step.UPDATE else None


_numbers = st.integers(min_value=0, max_value=2**53)
_impacts = st.fractions(min_value=0, max_value=1, max_denominator=10**9)
_texts = st.text(max_size=40)
_spans = st.tuples(_numbers, _numbers).filter(lambda pair: pair[0] < pair[1])
_losses = st.builds(
    lambda span, is_open, impact: Loss(span[0], None if is_open else span[1], impact),
    _spans,
    st.booleans(),
    _impacts.filter(lambda impact: impact > 0),
)
_severities = st.sampled_from(Severity)
_details: st.SearchStrategy[tuple[Step, Detail]] = st.one_of(
    st.tuples(st.sampled_from(_DETAILLESS), st.none()),
    st.tuples(
        st.just(Step.OPENED),
        st.builds(
            Opening,
            st.sampled_from(Component),
            _texts,
            st.sampled_from(Origin),
            _severities,
            _texts,
            _numbers,
            st.none() | _numbers,
            st.booleans(),
        ),
    ),
    st.tuples(st.just(Step.ASSIGNED), st.builds(Assignment, _severities, _severities)),
    st.tuples(
        st.just(Step.CONFIRMED),
        st.lists(_losses, max_size=3).map(lambda losses: Confirmation(tuple(losses))),
    ),
    st.tuples(
        st.just(Step.AFFECTED),
        st.sets(st.integers(min_value=1, max_value=2**53), max_size=4).map(
            lambda clients: Affected(tuple(sorted(clients)))
        ),
    ),
    st.tuples(st.just(Step.UPDATE), st.builds(Update, st.booleans())),
    st.tuples(
        st.just(Step.AMENDED),
        st.builds(lambda span, impact: Amendment(span[0], span[1], impact), _spans, _impacts),
    ),
)
_authors = st.builds(Author, st.sampled_from(AuthorKind), _texts)
any_records: st.SearchStrategy[Record] = st.builds(
    lambda pair, at_us, author, text: Record(pair[0], at_us, author, text, pair[1]),
    _details,
    _numbers,
    _authors,
    _texts,
)
