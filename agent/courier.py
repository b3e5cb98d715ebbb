"""Carries reports to the server, oldest first, until none waits; then claims."""

import random
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import NamedTuple

from agent.backoff import LONGEST_S, Backoff
from agent.delivery import Outcome, outcome_of, wait_of
from agent.http_client import Client, HttpAnswer, UnreachableError
from agent.identity import Identity
from agent.report import CLAIM_CONTEXT, HOST_HEADER, REPORT_CONTEXT, SIGNATURE_HEADER
from agent.store import Store, Waiting

REPORTS = "/fleet/v1/reports"
CLAIMS = "/fleet/v1/claims"


class Trip(NamedTuple):
    """What came of carrying. wait_s: until the next try is due, None = nothing waits.

    delivered: how many; problem: for people, "" = none; policy: what the server wants from now
    on, None = as before.
    """

    wait_s: float | None
    delivered: int
    problem: str
    policy: object


class Courier:
    """One host's. store: of the thread that carries; now: the time, for people."""

    def __init__(
        self,
        identity: Identity,
        client: Client,
        store: Store,
        dice: random.Random,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._identity = identity
        self._client = client
        self._store = store
        self._backoff = Backoff(dice)
        self._now = now

    def carry(self, going_on: Callable[[], bool] = lambda: True) -> Trip:
        """Carry what waits, as long as it works. StoreError."""
        delivered, policy, problem = 0, None, ""
        while going_on():
            report = self._store.oldest()
            if report is None:
                return self._carry_claims(Trip(None, delivered, problem, policy), going_on)
            try:
                answer = self._send(report)
            except UnreachableError as error:
                problem = f"the server did not answer: {error}"
                self._store.set_notes({"problem": problem})
                return Trip(self._backoff.failed(), delivered, problem, policy)
            outcome = outcome_of(answer)
            if outcome is Outcome.DELIVERED:
                self._backoff.worked()
                self._store.done(
                    report.report_id, {"delivered_at": self._time(), "problem": problem}
                )
                delivered += 1
                policy = answer.value.get("policy", policy)
            elif outcome is Outcome.REFUSED:
                problem = f"report {report.sequence} was refused: {_reason(answer)}"
                self._store.done(report.report_id, self._refusal(problem))
            else:
                problem = _WORDS[outcome] + _reason(answer)
                self._store.set_notes({"problem": problem})
                wait = LONGEST_S if outcome is not Outcome.LATER else self._backoff.failed()
                return Trip(wait_of(answer, wait), delivered, problem, policy)
        return Trip(0.0, delivered, problem, policy)

    def close(self) -> None:
        """Close the connection and the store."""
        self._client.close()
        self._store.close()

    def _carry_claims(self, trip: Trip, going_on: Callable[[], bool]) -> Trip:
        """Carry the claims that wait; they hold up no report, for those went before."""
        for claim in self._store.claims():
            if not going_on():
                break
            try:
                answer = self._send(claim, CLAIMS, CLAIM_CONTEXT)
            except UnreachableError as error:
                problem = f"the server did not answer: {error}"
                self._store.set_notes({"problem": problem})
                return trip._replace(wait_s=self._backoff.failed(), problem=problem)
            outcome = outcome_of(answer)
            if outcome is Outcome.DELIVERED:
                self._backoff.worked()
                self._store.claim_done(claim.report_id, {})
            elif outcome is Outcome.REFUSED:
                problem = f"claim {claim.sequence} was refused: {_reason(answer)}"
                self._store.claim_done(claim.report_id, self._refusal(problem))
                trip = trip._replace(problem=problem)
            else:
                problem = _WORDS[outcome] + _reason(answer)
                self._store.set_notes({"problem": problem})
                wait = LONGEST_S if outcome is not Outcome.LATER else self._backoff.failed()
                return trip._replace(wait_s=wait_of(answer, wait), problem=problem)
        return trip

    def _send(
        self, waiting: Waiting, path: str = REPORTS, context: bytes = REPORT_CONTEXT
    ) -> HttpAnswer:
        return self._client.post(
            path,
            waiting.body,
            {
                HOST_HEADER: self._identity.host,
                SIGNATURE_HEADER: self._identity.sign(context, waiting.body),
            },
        )

    def _refusal(self, problem: str) -> Mapping[str, str]:
        refused = int(self._store.note("refused", "0")) + 1
        return {"refused": str(refused), "problem": problem}

    def _time(self) -> str:
        return self._now().isoformat(timespec="seconds")


_WORDS = {
    Outcome.NOT_ENROLLED: "this host is not enrolled any more; enrol it anew: ",
    Outcome.CLONED: "this host's identity is used elsewhere, or was restored; enrol it anew: ",
    Outcome.LATER: "the server wants it later: ",
}


def _reason(answer: HttpAnswer) -> str:
    return f"{answer.status} {answer.code} {answer.detail}".strip()
