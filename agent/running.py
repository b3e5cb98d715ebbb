"""The agent at work: what happens comes into one queue, and is dealt with one by one."""

import logging
import queue
import random
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeAlias

from agent.attached import join
from agent.composing import Host, KnownKey, digest_of, of_key, reports_of
from agent.courier import Trip
from agent.findings import Findings
from agent.identity import Identity, save
from agent.ports import FidoDevices, ReaderState
from agent.prober import Prober
from agent.proof_ways import ways_of
from agent.proof_wire import PROOFS
from agent.proofs_due import Due, ProofsDue
from agent.prover import Proved, Prover
from agent.relaying import Wanted
from agent.report import KeyReport
from agent.reporting import Schedule
from agent.sending import Sender
from agent.slots import Slots, reader_of
from agent.store import Store, StoreError

_LOG = logging.getLogger("keystead-agent")

_KEEP = timedelta(days=90)
_FIDO_LOOK_S = 10.0
_DAILY_S = 24 * 3600.0
_RETRY_STORE_S = 60.0

Happening: TypeAlias = Callable[[], None]


class Tools(NamedTuple):
    """What the agent works with. describe: reads what the host is, for a host id."""

    directory: Path
    store: Store
    devices: FidoDevices
    dice: random.Random
    describe: Callable[[str], Host]
    monotonic: Callable[[], float] = time.monotonic
    today: Callable[[], date] = lambda: datetime.now(UTC).date()


class Agent:
    """One enrolment at work. Everything but `post` happens in the thread that calls `run`."""

    def __init__(self, identity: Identity, tools: Tools) -> None:
        self._identity = identity
        self._tools = tools
        self._happenings: queue.SimpleQueue[Happening] = queue.SimpleQueue()
        self._stopped = False
        self._slots = Slots()
        self._host = tools.describe(identity.host)
        self._described = tools.monotonic()
        self._looked_for_fido = float("-inf")
        self._schedule = Schedule.after_start(tools.monotonic(), tools.dice.random())
        self._problem = ""
        self._prober: Prober | None = None
        self._sender: Sender | None = None
        self._prover: Prover | None = None
        self._proofs = ProofsDue()
        self._proving: tuple[str, Due] | None = None

    @property
    def identity(self) -> Identity:
        """Who this host is, with the policy of now."""
        return self._identity

    # -- what other threads say

    def looked(self, states: Mapping[str, ReaderState]) -> None:
        """Take what the readers are like."""
        self._happenings.put(partial(self._on_readers, states))

    def away(self, why: str) -> None:
        """Take that the PC/SC service is not there."""
        self._happenings.put(partial(self._on_away, why))

    def finished(self, name: str, changes: int, findings: Findings) -> None:
        """Take what was read in a slot."""
        self._happenings.put(partial(self._on_read, name, changes, findings))

    def told(self, trip: Trip) -> None:
        """Take what came of sending."""
        self._happenings.put(partial(self._on_trip, trip))

    def proved(self, name: str, proved: Proved) -> None:
        """Take what came of proving the key in a slot."""
        self._happenings.put(partial(self._on_proved, name, proved))

    def stop(self) -> None:
        """Have it end. Safe in a signal's handler: the queue is made for that."""
        self._happenings.put(self._on_stop)

    # -- the loop

    def run(
        self,
        prober: Prober,
        sender: Sender,
        going_on: Callable[[], bool],
        prover: Prover | None = None,
    ) -> None:
        """Work until `stop`, or until what `going_on` asks about is over."""
        self._prober, self._sender, self._prover = prober, sender, prover
        while not self._stopped and going_on():
            self._do_what_is_due()
            try:
                happening = self._happenings.get(timeout=self._pause())
            except queue.Empty:
                continue
            happening()

    def _pause(self) -> float:
        now = self._tools.monotonic()
        due = [self._schedule.due_at(), self._looked_for_fido + _FIDO_LOOK_S]
        slot = self._slots.due_at()
        if slot is not None and slot > now:
            due.append(slot)
        proof = self._proofs.due_at(now)
        if proof is not None:
            due.append(proof)
        return max(0.05, min(due) - now)

    def _do_what_is_due(self) -> None:
        now = self._tools.monotonic()
        if now - self._looked_for_fido >= _FIDO_LOOK_S:
            self._looked_for_fido = now
            self._changed_to(self._slots.devices(list(self._tools.devices.paths()), now))
        stuck = self._slots.hanging(now)
        if stuck is not None and self._prober is not None:
            _LOG.warning("%s does not answer", stuck)
            self._prober.start_anew()
            self._slots = self._slots.given_up(stuck, now)
        name = self._slots.next(now)
        if name is not None and self._prober is not None:
            self._slots = self._slots.reading(name, now)
            self._prober.read(name, self._slots.slots[name].changes)
        if self._schedule.due_at() <= now:
            self._report(now)
        self._prove(now)

    def _on_readers(self, states: Mapping[str, ReaderState]) -> None:
        self._complain("")
        self._changed_to(self._slots.seen(states, self._tools.monotonic()))

    def _on_away(self, why: str) -> None:
        self._complain(f"no PC/SC service: {why}")
        self._changed_to(self._slots.away())

    def _on_read(self, name: str, changes: int, findings: Findings) -> None:
        self._slots = self._slots.read(name, changes, findings, self._tools.monotonic())
        keys = join(self._readings(), self._identity.host)
        try:
            self._tools.store.remember(keys, self._tools.today())
        except StoreError as error:
            self._complain(str(error))
        if ways_of(findings, PROOFS):
            self._proofs = self._proofs.read(name, changes)
        self._note_if_changed()

    def _on_trip(self, trip: Trip) -> None:
        if trip.problem:
            _LOG.warning("%s", trip.problem)
        if trip.delivered:
            self._proofs = self._proofs.reported(self._tools.monotonic())
        if trip.policy is not None:
            self._take_policy(trip.policy)

    def _on_proved(self, name: str, proved: Proved) -> None:
        if self._proving is None:
            return
        (proving, due), self._proving = self._proving, None
        if proving != name:
            return
        now = self._tools.monotonic()
        if proved.problem:
            _LOG.warning("%s was not proved: %s", name, proved.problem)
            self._proofs = self._proofs.failed(name, due, now)
        else:
            self._proofs = self._proofs.again(
                name, due, now + self._identity.policy.proof_interval_s
            )
        self._note_proof(proved)

    def _note_proof(self, proved: Proved) -> None:
        """Keep what came of the last proof, for people."""
        day = self._tools.today().isoformat()
        told = {"proof_problem": proved.problem}
        if not proved.problem:
            told |= {"proved": f"{day} {proved.trust}"}
        try:
            self._tools.store.set_notes(told)
        except StoreError as error:
            self._complain(str(error))

    def _on_stop(self) -> None:
        self._stopped = True

    def _changed_to(self, slots: Slots) -> None:
        gone = set(self._slots.slots) - set(slots.slots)
        self._slots = slots
        if gone:
            self._note_if_changed()

    # -- proofs

    def _prove(self, now: float) -> None:
        """Have one key proved that the server knows of."""
        self._proofs = self._proofs.still(self._slots)
        ready = self._proofs.ready(self._slots, now)
        if (
            not ready
            or self._prover is None
            or self._proving is not None
            or not self._identity.policy.proofs
        ):
            return
        try:
            reported = self._reported()
        except StoreError as error:
            self._complain(str(error))
            return
        for name in ready:
            wanted = self._wanted(name, reported)
            if wanted is not None:
                self._proving = (name, self._proofs.due[name])
                self._proofs = self._proofs.begun(name)
                self._prover.prove(name, wanted)
                return

    def _wanted(self, name: str, reported: Mapping[int, KeyReport]) -> Wanted | None:
        reader, findings = reader_of(name), self._slots.slots[name].findings
        if reader is None or findings is None or findings.serial is None:
            return None
        report = reported.get(findings.serial)
        ways = ways_of(findings, self._identity.policy.proofs)
        if report is None or not ways:
            return None
        return Wanted(reader, findings.serial, report.identity, ways)

    def _reported(self) -> Mapping[int, KeyReport]:
        """Return the keys that the server has, by serial number: none while reports wait."""
        if self._tools.store.count():
            return {}
        return {
            key.key.findings.serial: report
            for key, report, said in self._known()
            if key.key.findings.serial is not None and said and report.identity.kind is None
        }

    def _complain(self, problem: str) -> None:
        if problem and problem != self._problem:
            _LOG.warning("%s", problem)
        self._problem = problem

    # -- reports

    def _readings(self) -> Sequence[Findings]:
        # Cards first: what both tell, the card's interface tells better.
        names = sorted(self._slots.slots, reverse=True)
        found = (self._slots.slots[name].findings for name in names)
        return [one for one in found if one is not None]

    def _known(self) -> list[tuple[KnownKey, KeyReport, str]]:
        """Return the keys that are reported, each with its report and what was said last."""
        attached = frozenset(key.name for key in join(self._readings(), self._identity.host))
        since = self._tools.today() - _KEEP
        local = self._identity.local_key
        return [
            (key, of_key(key, self._identity.policy, local), reported)
            for key, reported in self._tools.store.known(since, attached)
        ]

    def _note_if_changed(self) -> None:
        try:
            changed = any(digest_of(report) != said for _key, report, said in self._known())
        except StoreError as error:
            self._complain(str(error))
            return
        if changed:
            self._schedule = self._schedule.noted(self._tools.monotonic())

    def _report(self, now: float) -> None:
        if now - self._described >= _DAILY_S:
            self._host, self._described = self._tools.describe(self._identity.host), now
        try:
            self._store_report()
        except StoreError as error:
            self._complain(str(error))
            self._schedule = self._schedule.failed(now, _RETRY_STORE_S)
            return
        interval = self._identity.policy.interval_s
        self._schedule = self._schedule.made(now, interval, self._tools.dice.random())
        if self._sender is not None:
            self._sender.wake()

    def _store_report(self) -> None:
        today = self._tools.today()
        # A key that stays where it is was seen today as well.
        self._tools.store.remember(join(self._readings(), self._identity.host), today)
        self._tools.store.forget(today - _KEEP)
        known = self._known()
        keys = [report for _key, report, _said in known]
        self._tools.store.put(
            lambda sequence, dropped: reports_of(
                self._host,
                keys,
                day=today,
                next_sequence=sequence,
                dropped=dropped,
                new_id=lambda: secrets.token_hex(16),
            ),
            {key.key.name: digest_of(report) for key, report, _said in known},
        )

    def _take_policy(self, said: object) -> None:
        policy = self._identity.policy.changed(said)
        if policy == self._identity.policy:
            return
        self._identity = replace(self._identity, policy=policy)
        try:
            save(self._tools.directory, self._identity)
        except OSError as error:
            # It counts now all the same; after a start the server says it again.
            self._complain(f"the new policy could not be stored: {error}")
        self._note_if_changed()
