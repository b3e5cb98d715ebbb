"""What may be written down of a regime's clocks: each step a pure decision, by the store's time."""

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from server.accounts.text import InputError
from server.incidents.instants import write_instant
from server.reports.regulatory import (
    STAGES,
    Regime,
    RegulatoryRecord,
    RegulatoryStep,
    standing_classification,
)

_US = 1_000_000
MAX_TEXT = 2000
MOST_RECORDS = 200
"""Of one incident: whoever writes more down has a program that runs wild."""


class RegulatoryStateError(Exception):
    """The regime's clocks do not stand where this step begins; the message says where."""


class RegulatoryScene(NamedTuple):
    """What a decision is made on. reported_us: when the incident was reported."""

    now_us: int
    records: Sequence[RegulatoryRecord]
    reported_us: int
    by: str

    @property
    def at_us(self) -> int:
        """The time of the next record: a history does not go back when a host's clock does."""
        return max(self.now_us, self.records[-1].at_us if self.records else 0)

    @property
    def now_s(self) -> int:
        """The same in whole seconds."""
        return self.at_us // _US


RegulatoryDecision: TypeAlias = Callable[[RegulatoryScene], RegulatoryRecord]
"""Returns the record to append; raises what refuses the step."""


def classify(regime: Regime, aware_s: int | None, text: str) -> RegulatoryDecision:
    """Say that the incident has to be reported. aware_s: None for when it was reported to us."""
    _check(text)

    def decide(scene: RegulatoryScene) -> RegulatoryRecord:
        _check_room(scene)
        if standing_classification(regime, scene.records) is not None:
            raise RegulatoryStateError(
                f"it is classified under {regime} already: withdraw that first if it was wrong"
            )
        aware = scene.reported_us // _US if aware_s is None else aware_s
        if aware > scene.now_s:
            raise InputError(f"nobody can be aware of it at {write_instant(aware)}, a time to come")
        return RegulatoryRecord(
            regime,
            RegulatoryStep.CLASSIFIED,
            scene.at_us,
            scene.now_s,
            scene.by,
            text,
            aware_s=aware,
        )

    return decide


def withdraw(regime: Regime, text: str) -> RegulatoryDecision:
    """Say that it proved to be none that has to be reported; the reason is needed."""
    _check(text)
    if not text.strip():
        raise InputError("say why it does not have to be reported after all")

    def decide(scene: RegulatoryScene) -> RegulatoryRecord:
        _check_room(scene)
        _standing(regime, scene)
        return RegulatoryRecord(
            regime, RegulatoryStep.WITHDRAWN, scene.at_us, scene.now_s, scene.by, text
        )

    return decide


def note_sent(regime: Regime, stage: str, when_s: int | None, text: str) -> RegulatoryDecision:
    """Write down that a stage was sent to the authority. when_s: None for now."""
    _check(text)
    stages = [one.name for one in STAGES[regime]]
    if stage not in stages:
        raise InputError(f"{regime} has the stages {', '.join(stages)}")

    def decide(scene: RegulatoryScene) -> RegulatoryRecord:
        _check_room(scene)
        classified = _standing(regime, scene)
        when = scene.now_s if when_s is None else when_s
        # The authority may have been told before anybody wrote down that it has to be.
        aware = classified.when_s if classified.aware_s is None else classified.aware_s
        if not aware <= when <= scene.now_s:
            raise InputError(
                f"it cannot have been sent at {write_instant(when)}: give a time between"
                f" {write_instant(aware)}, when somebody became aware, and now"
            )
        return RegulatoryRecord(
            regime, RegulatoryStep.SENT, scene.at_us, when, scene.by, text, stage
        )

    return decide


def _standing(regime: Regime, scene: RegulatoryScene) -> RegulatoryRecord:
    found = standing_classification(regime, scene.records)
    if found is None:
        raise RegulatoryStateError(
            f"nobody has classified it as one that has to be reported under {regime}"
        )
    return found[0]


def _check(text: str) -> None:
    if len(text) > MAX_TEXT or not all(one.isprintable() or one == "\n" for one in text):
        raise InputError(f"the text has at most {MAX_TEXT} characters that can be shown")


def _check_room(scene: RegulatoryScene) -> None:
    if len(scene.records) >= MOST_RECORDS:
        raise RegulatoryStateError(f"more than {MOST_RECORDS} steps of one incident are not kept")
