"""`python -m loadtest`: check the target, plan, run Locust, settle, prove, conclude."""

import contextlib
import shlex
import signal
import sys
import tempfile
from argparse import Namespace
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

from loadtest import clients as client_files
from loadtest import reports, summary
from loadtest.allowlist import HostRefusedError, admit, admit_alias
from loadtest.bench.processes import ProgramError
from loadtest.exits import Exit
from loadtest.keyfile import take_sessions
from loadtest.ledger import Clock, LedgerError, files, unclosed
from loadtest.locust_run import LocustError, run_locust
from loadtest.observer import Observer, ObserverError
from loadtest.options import parser
from loadtest.own_server import own_server
from loadtest.pacer import TooSmallError, paced
from loadtest.plan import Plan
from loadtest.proof.playback import Facts, play_back
from loadtest.proof.snapshot import read_all
from loadtest.secretfile import SecretFileError
from loadtest.settle import settle
from loadtest.shapes import Load
from loadtest.summary import Summary, conclude
from loadtest.thresholds import Limits
from validation.gcra import Rate

_OWN_KEYS_PER_USER = 2
_READ_EVERY_S = 10.0
_MAX_READINGS = 500


class Subject(NamedTuple):
    """What is loaded, and how it can be looked into. command: words, None without one."""

    target: str
    metrics: str | None
    command: list[str] | None
    keys: Path
    clients: Path
    alone: bool


class UsageError(Exception):
    """The options do not fit together; says what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a load test; return its exit code."""
    asked = parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupted)
    # Whatever happens now, an earlier run's verdict is not taken for this one's.
    (asked.reports / summary.NAME).unlink(missing_ok=True)
    try:
        with contextlib.ExitStack() as stack:
            private = tempfile.TemporaryDirectory(prefix="keystead-load-")
            folder = Path(stack.enter_context(private))
            subject = stack.enter_context(_subject(asked, folder))
            done = _run(asked, subject, folder)
    except (HostRefusedError, SecretFileError, TooSmallError, UsageError) as error:
        return _say(Exit.USAGE, str(error))
    except (ProgramError, LocustError, LedgerError, ObserverError, OSError) as error:
        return _say(Exit.BROKEN, str(error))
    except KeyboardInterrupt:
        return _say(Exit.BROKEN, "interrupted: nothing is proven")
    path = summary.write(done, asked.reports)
    sys.stdout.write("\n".join([*done.lines(), f"written to {path}"]) + "\n")
    return int(done.code)


@contextlib.contextmanager
def _subject(asked: Namespace, folder: Path) -> Iterator[Subject]:
    """Check what was asked for before anything is sent or taken; start a service if so wanted."""
    named = (asked.target, asked.keys, asked.clients)
    if asked.own_server:
        if any(named) or asked.keystead or asked.metrics:
            raise UsageError("--own-server brings its own target, files, command and metrics")
        keys = max(4, _OWN_KEYS_PER_USER * asked.users, 2 * asked.processes)
        with own_server(folder, keys=keys, workers=asked.workers) as own:
            yield Subject(*own, alone=True)
        return
    if not all(named):
        raise UsageError("give --target, --keys and --clients, or --own-server")
    admit_alias(admit(asked.target, asked.allow_host))
    if asked.metrics:
        admit_alias(admit(asked.metrics, asked.allow_host))
    command = shlex.split(asked.keystead) if asked.keystead else None
    yield Subject(asked.target, asked.metrics, command, asked.keys, asked.clients, asked.alone)


def _plan(asked: Namespace, subject: Subject, ledger: Path) -> Plan:
    """Take the keys' sessions and put everything together."""
    clients, text = client_files.read(subject.clients)
    for client in clients.below:
        paced(client.rate, client.burst, asked.processes)  # refuses what is too small
    keys = take_sessions(subject.keys, asked.sessions)
    if sum(key.active for key in keys[:: asked.processes]) < 1 or len(keys) < asked.processes:
        raise UsageError("each process needs an active key: more keys, or fewer --processes")
    load = Load(asked.shape, asked.users, asked.duration)
    return Plan(
        subject.target,
        tuple(asked.allow_host),
        text,
        keys,
        asked.sessions,
        load,
        asked.processes,
        float(asked.pause),
        asked.tolerate_unavailable,
        ledger,
        Clock.now_is(),
    )


def _run(asked: Namespace, subject: Subject, folder: Path) -> Summary:
    ledger = reports.empty(asked.reports).resolve()
    plan = _plan(asked, subject, ledger)
    plan_file = folder / "plan.json"
    plan.write(plan_file)
    ids = [key.public_id for key in plan.keys]
    snapshots = ledger / reports.SNAPSHOTS
    every_s = max(_READ_EVERY_S, asked.duration / _MAX_READINGS)
    observer = Observer(
        subject.command,
        subject.metrics,
        ids,
        clock=plan.clock,
        file=snapshots,
        every_s=every_s,
    )
    observer.begin()
    code = run_locust(plan, plan_file, asked.reports.resolve(), observer.look_now_and_then)
    ended, broken = _how_it_ended(code)
    if ended is Exit.PASSED:
        broken = _what_is_missing(plan)
        settle(plan)
    counted = None
    try:
        observer.look()
        counted = observer.counted()
    except ObserverError as error:
        if ended is Exit.PASSED:
            raise
        broken = str(error)  # the run was stopped already; say what the ledger alone shows
    facts = Facts(
        ids,
        {one.client_id: Rate.per_second(one.rate, one.burst) for one in plan.clients.over},
        read_all(snapshots),
        counted,
        subject.alone,
        plan.tolerant,
    )
    limits = Limits(asked.p99_ms, asked.max_failure_share, asked.min_rate)
    return conclude(plan, play_back(ledger, facts), limits, ended=ended, broken=broken)


def _what_is_missing(plan: Plan) -> str:
    """Return which processes did not leave a whole ledger, "" when all did."""
    if len(files(plan.ledger)) < plan.processes:
        return f"only {len(files(plan.ledger))} of {plan.processes} processes kept a ledger"
    cut_off = unclosed(plan.ledger)
    return f"processes ended before they closed {', '.join(cut_off)}" if cut_off else ""


def _how_it_ended(code: int) -> tuple[Exit, str]:
    """Return how Locust ended by its exit code, and why its run is not whole if it is not."""
    if code in {Exit.PASSED, Exit.USAGE, Exit.OK_FOR_NONE, Exit.NONE_FOR_OK}:
        return Exit(code), ""
    return Exit.BROKEN, f"Locust ended with code {code}: see what it said"


def _interrupted(_signal: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


def _say(code: Exit, reason: str) -> int:
    sys.stderr.write(f"loadtest: {reason}\n")
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
