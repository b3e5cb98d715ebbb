"""The life of an analysis report: drafted, edited, published, and then a revision of it.

A history of records that only grows. What was published stays as it was under its number; when it
must say something else, that is the next revision, with the reason. Each step is a pure decision
that the store calls within the transaction which records it, by the store's time.
"""

import enum
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias

from server.accounts.text import InputError
from server.reports.analysis import MAX_TEXT, NEEDED, Analysis, Facts, Standing, Texts

_US = 1_000_000


class ReportStateError(Exception):
    """The report does not stand where this step begins; the message says where it stands."""


class ReportStep(enum.StrEnum):
    """What was done with a report."""

    DRAFTED = "drafted"
    EDITED = "edited"
    PUBLISHED = "published"


class ReportRecord(NamedTuple):
    """One step. revision: counts publications from 1, 0 for what is none; reason: "" for none.

    by: who did it, as the journal names them; never shown outside.
    """

    step: ReportStep
    at_us: int
    by: str
    reason: str
    revision: int
    analysis: Analysis


class Report(NamedTuple):
    """The report of one incident, with its whole history, the first record first."""

    incident_id: int
    history: tuple[ReportRecord, ...]

    @property
    def current(self) -> Analysis | None:
        """What it says now, published or not; None before it was drafted."""
        return self.history[-1].analysis if self.history else None

    @property
    def published(self) -> tuple[ReportRecord, ...]:
        """Its revisions, as they were published."""
        return tuple(one for one in self.history if one.step is ReportStep.PUBLISHED)

    def revision(self, number: int) -> ReportRecord | None:
        """Return a revision as it was published."""
        return next((one for one in self.published if one.revision == number), None)

    def standing(self, due_s: int | None, now_s: int) -> Standing | None:
        """Return how the report's clock stands: what was published first stops it."""
        if due_s is None:
            return None
        first = self.published[0].at_us if self.published else None
        if first is not None:
            return Standing.MET if first <= due_s * _US else Standing.MISSED
        return Standing.RUNNING if now_s <= due_s else Standing.MISSED


class Scene(NamedTuple):
    """What a decision is made on. by: who does it, and why."""

    now_us: int
    report: Report
    by: str
    reason: str

    @property
    def at_us(self) -> int:
        """The time of the next record: a history does not go back when a host's clock does."""
        last = self.report.history[-1].at_us if self.report.history else 0
        return max(self.now_us, last)


ReportDecision: TypeAlias = Callable[[Scene], ReportRecord]
"""Returns the record to append; raises what refuses the step."""


def draft(facts: Facts) -> ReportDecision:
    """Take what the data say now. What people wrote so far stays."""

    def decide(scene: Scene) -> ReportRecord:
        before = scene.report.current
        texts = Texts() if before is None else before.texts
        return _record(scene, ReportStep.DRAFTED, Analysis(facts=facts, texts=texts))

    return decide


def edit(changes: Mapping[str, str]) -> ReportDecision:
    """Write some of the texts anew. changes: by their names."""
    unknown = sorted(changes.keys() - Texts.model_fields.keys())
    if unknown:
        raise InputError(f"the report has the texts {', '.join(Texts.model_fields)} only")
    for name, text in changes.items():
        _check(name, text)

    def decide(scene: Scene) -> ReportRecord:
        before = _drafted(scene)
        texts = before.texts.model_copy(update=dict(changes))
        if texts == before.texts:
            raise InputError("nothing would change: the report says that already")
        return _record(scene, ReportStep.EDITED, before.model_copy(update={"texts": texts}))

    return decide


def publish(scene: Scene) -> ReportRecord:
    """Say it to the customers: the first time, or as a revision, which needs a reason."""
    before = _drafted(scene)
    missing = [name for name in NEEDED if not getattr(before.texts, name).strip()]
    if missing:
        raise ReportStateError(
            f"nobody has written {' and '.join(missing)}: data alone are no analysis. Write"
            f" {'it' if len(missing) == 1 else 'them'} with `keystead incident report edit`"
        )
    if before.facts.resolved is None:
        raise ReportStateError(
            "the incident was not resolved when this was drafted, and the report is due after"
            " that: resolve it, and draft again"
        )
    published = scene.report.published
    after = before.public()
    if published and published[-1].analysis == after:
        raise ReportStateError(
            f"revision {published[-1].revision} says the same: there is nothing to publish"
        )
    if published and not scene.reason:
        raise InputError("a revision of what was published needs a reason: give --reason")
    return _record(scene, ReportStep.PUBLISHED, after, len(published) + 1)


def _drafted(scene: Scene) -> Analysis:
    """Return the newest that was drafted or edited: what was published has lost the notes."""
    for record in reversed(scene.report.history):
        if record.step is not ReportStep.PUBLISHED:
            return record.analysis
    raise ReportStateError(
        f"incident {scene.report.incident_id} has no report yet: draft it with `keystead incident"
        f" report draft {scene.report.incident_id}`"
    )


def _record(scene: Scene, step: ReportStep, analysis: Analysis, revision: int = 0) -> ReportRecord:
    return ReportRecord(step, scene.at_us, scene.by, scene.reason, revision, analysis)


def _check(name: str, text: str) -> None:
    if len(text) > MAX_TEXT:
        raise InputError(f"{name} is longer than {MAX_TEXT:,} characters")
    if not all(one.isprintable() or one in "\n\t" for one in text):
        raise InputError(f"{name} holds a character that cannot be shown; use others")
