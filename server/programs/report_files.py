"""Reports as files: written in a format, and computed again from a ledger and evidence."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from hsm.journalkey import parse_public
from server.journal.canonical import MAX_LINE
from server.journal.chain import Link
from server.journal.checkpoint import Checkpoint
from server.ledger.entry import Entry
from server.programs.admin_client import AdminClient
from server.programs.exits import CommandError, Exit
from server.programs.journal_files import (
    LEDGER,
    file_lines,
    new_file,
    opened_file,
    verify_file,
    write_export,
)
from server.reports.customer import ALL_CLIENTS, ReportFormError, questions
from server.reports.evidence import EvidenceError, read_evidence
from server.reports.replay import LedgerError, Replay
from server.reports.verification import (
    LARGEST_FILE,
    Claim,
    Difference,
    Verdict,
    differences,
    read_claim,
    verdict,
)
from server.uptime.segment import day_name

_DAY_S = 86_400


class Ledger(NamedTuple):
    """An export of a ledger and what it is trusted by. checkpoints: kept elsewhere."""

    path: Path
    keys: Sequence[bytes]
    checkpoints: Sequence[Checkpoint]


class Result(NamedTuple):
    """What a verification came to. erased: entries that are gone and could bear on the figures."""

    claim: Claim
    differences: Sequence[Difference]
    erased: Sequence[int]

    @property
    def verdict(self) -> Verdict:
        """What can be said of the report."""
        return verdict(self.differences, self.erased)


def write_new(name: str, octets: bytes) -> None:
    """Write a new file for its owner alone; "-" is standard output. CommandError."""
    with new_file(name) as stream:
        stream.write(octets)


def read_report(path: Path) -> Claim:
    """Read a report's file. CommandError."""
    with opened_file(path) as stream:
        octets = stream.read(LARGEST_FILE + 1)
    if len(octets) > LARGEST_FILE:
        raise CommandError(
            f"{path} is larger than {LARGEST_FILE:,} octets: no report is", Exit.USAGE
        )
    try:
        return read_claim(octets)
    except ReportFormError as error:
        raise CommandError(f"{path}: {error}", Exit.USAGE) from error


def days_of(claim: Claim) -> tuple[int, int]:
    """Return the first day that a report tells of, and the one after the last; since the epoch."""
    periods = [one.period for one in questions(claim.request)]
    end = min(max(period.end for period in periods), claim.request.as_of)
    first = min(period.start for period in periods) // _DAY_S
    return first, max(first + 1, -(-end // _DAY_S))


def evidence_path(days: tuple[int, int], clients: Sequence[int]) -> str:
    """Return where the admin API has the evidence of some days about some clients."""
    first, end = map(day_name, days)
    wanted = f"&clients={','.join(map(str, clients))}" if clients else ""
    return f"/reports/evidence?from={first}&to={end}{wanted}"


@contextmanager
def fetched_ledger(admin: AdminClient, checkpoints: Sequence[Checkpoint]) -> Iterator[Ledger]:
    """Yield the service's ledger as a file that is gone afterwards."""
    keys = parse_public(admin.get("/journal/key")["public_key"])
    with tempfile.TemporaryDirectory(prefix="keystead-") as directory:
        path = Path(directory) / "ledger.jsonl"
        with new_file(str(path)) as stream:
            write_export(admin, stream, LEDGER)
        yield Ledger(path, keys, checkpoints)


def fetched_evidence(admin: AdminClient, claim: Claim) -> Iterator[bytes]:
    """Yield the lines of a report's evidence from the service."""
    rest = b""
    for piece in admin.download(evidence_path(days_of(claim), sorted(claim.request.names))):
        *lines, rest = (rest + piece).split(b"\n")
        if len(rest) > MAX_LINE:
            raise CommandError("the service's evidence has a line without an end")
        yield from lines
    if rest:
        yield rest


def evidence_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file of evidence. CommandError."""
    with opened_file(path) as stream:
        yield from file_lines(stream)


def write_evidence(admin: AdminClient, stream: IO[bytes], path: str) -> None:
    """Write evidence from the service into a file."""
    for piece in admin.download(path):
        stream.write(piece)


def verify(claim: Claim, ledger: Ledger, evidence: Iterator[bytes]) -> Result:
    """Compute a report again out of a ledger that is whole. CommandError."""
    replay = Replay(claim.ledger)

    def tell(link: Link) -> None:
        if isinstance(link, Entry):
            replay.take(link)

    with _told():
        chain = verify_file(ledger.path, ledger.keys, ledger.checkpoints, LEDGER, tell)
        if chain.fault is not None:
            raise CommandError(
                f"the ledger is not whole, and proves nothing. First bad entry:"
                f" {chain.fault.sequence}: {chain.fault.what}",
                Exit.DAMAGED,
            )
        replay.close()
        replay.prove(read_evidence(evidence))
        computed = replay.report(claim.request)
        doubts = replay.doubts(questions(claim.request), claim.request.as_of)
    return Result(claim, differences(claim, computed), doubts)


def result_to_json(result: Result) -> dict[str, Any]:
    """Return a result for programs."""
    return {
        "right": result.verdict is Verdict.RIGHT,
        "verdict": result.verdict.value,
        "format": result.claim.format.value,
        "customer": result.claim.request.customer.id,
        "clients": [one for one in sorted(result.claim.request.names) if one != ALL_CLIENTS],
        "ledger_sequence": result.claim.ledger.sequence,
        "differences": [one._asdict() for one in result.differences],
        "erased": list(result.erased),
    }


@contextmanager
def _told() -> Iterator[None]:
    """Say what the ledger or the evidence does not hold, as damage."""
    try:
        yield
    except (LedgerError, EvidenceError) as error:
        raise CommandError(str(error), Exit.DAMAGED) from error
