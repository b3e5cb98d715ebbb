"""Chains as files and as pages of the admin API: exported, read back, verified."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

from hsm.journalkey import parse_public
from server.checkpoint_file import CheckpointFile
from server.journal.audit import Audit, Verdict
from server.journal.canonical import MAX_LINE, MalformedError
from server.journal.chain import Link
from server.journal.checkpoint import Checkpoint, PublicKeys
from server.journal.entry import BEGINNING, End
from server.journal.export import (
    JOURNAL_FORM,
    Form,
    audit_export,
    end_of_json,
    end_to_json,
    line_of,
)
from server.ledger.export import LEDGER_FORM
from server.programs.admin_client import AdminClient
from server.programs.exits import CommandError
from server.programs.terminal import complain

_PAGE = 500
_MAX_KEY_FILE = 64 * 1024


class Chained(NamedTuple):
    """One of the chains. path: of the admin API."""

    path: str
    form: Form


JOURNAL = Chained("/journal", JOURNAL_FORM)
LEDGER = Chained("/ledger", LEDGER_FORM)


@contextmanager
def new_file(name: str) -> Iterator[IO[bytes]]:
    """Yield a new file for its owner alone, durable at the end; "-" is standard output."""
    if name == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        file = os.open(name, flags, 0o600)
    except OSError as error:
        raise CommandError(f"{name} cannot be made: {error.strerror}") from error
    try:
        with os.fdopen(file, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
    except BaseException as error:
        Path(name).unlink(missing_ok=True)  # half an export would pass for one that was cut
        if isinstance(error, OSError):
            raise CommandError(f"{name} cannot be written: {error.strerror}") from error
        raise


def write_export(admin: AdminClient, stream: IO[bytes], which: Chained = JOURNAL) -> int:
    """Write a whole chain, signed up to its end first; return the number of entries."""
    try:
        admin.post(f"{which.path}/checkpoints")
    except CommandError as refusal:
        # Evidence is exported all the same.
        complain(f"keystead: {refusal}")
        complain("keystead: the export goes on without a new checkpoint")
    for checkpoint in checkpoint_pages(admin, which):
        stream.write(line_of(checkpoint))
    end, count = end_to_json(BEGINNING), 0
    for page in entry_pages(admin, which):
        for entry in page["entries"]:
            stream.write(line_of(entry))
            count += 1
            end = {**end, "sequence": entry["sequence"], "hash": entry["hash"]}
    stream.write(line_of(end))
    return count


def checkpoint_pages(admin: AdminClient, which: Chained = JOURNAL) -> Iterator[dict[str, Any]]:
    """Yield all checkpoints of the store."""
    after: int | None = 0
    while after is not None:
        page = admin.get(f"{which.path}/checkpoints?after={after}&limit={_PAGE}")
        yield from page["checkpoints"]
        after = page["next"]


def entry_pages(admin: AdminClient, which: Chained = JOURNAL) -> Iterator[dict[str, Any]]:
    """Yield all entries of the store in pages, each with the journal's end as it is then."""
    after: int | None = 0
    while after is not None:
        page = admin.get(f"{which.path}?after={after}&limit={_PAGE}")
        yield page
        after = page["next"]


def read_public_keys(path: Path) -> list[bytes]:
    """Read a file of public keys (PEM). CommandError."""
    with opened_file(path) as stream:
        text = stream.read(_MAX_KEY_FILE)
    try:
        return parse_public(text.decode("ascii"))
    except ValueError as error:
        raise CommandError(
            f"{path} is no public key: {error}. Get it with: keystead journal public-key"
        ) from None


def read_checkpoints(path: Path) -> list[Checkpoint]:
    """Read a file of checkpoints, one a line. CommandError."""
    found = []
    with opened_file(path) as stream:
        for number, line in enumerate(file_lines(stream), 1):
            if not line.strip():
                continue
            try:
                found.append(Checkpoint.parse(line))
            except MalformedError as error:
                raise CommandError(f"{path}:{number} is no checkpoint: {error}") from None
    return found


def verify_file(
    path: Path,
    keys: Sequence[bytes],
    kept: Sequence[Checkpoint],
    which: Chained = JOURNAL,
    tell: Callable[[Link], None] = lambda _: None,
) -> Verdict:
    """Audit an export; no service is asked. CommandError when the file cannot be read.

    tell: is told of each good entry.
    """
    with opened_file(path) as stream:
        return audit_export(file_lines(stream), PublicKeys(keys), kept, which.form, tell)


def verify_store(
    admin: AdminClient,
    keys: Sequence[bytes],
    kept: Sequence[Checkpoint],
    here: Path | None,
    which: Chained = JOURNAL,
) -> Verdict:
    """Audit a chain of the store, through the admin API.

    keys: those that are trusted, the installation's own when there are none. here: the file of
    checkpoints in the data directory, which whoever writes to the database does not reach; None for
    a service elsewhere.
    """
    trusted = keys or parse_public(admin.get("/journal/key")["public_key"])
    checkpoints = [*kept, *(CheckpointFile(here).read() if here is not None else ())]
    stored = checkpoint_pages(admin, which)
    odd = None
    try:
        checkpoints += [Checkpoint.of_json(one) for one in stored]
    except MalformedError as error:
        odd = f"a checkpoint in the store is none: {error}"
    audit = Audit(PublicKeys(trusted), checkpoints, which.form.chain)
    if odd is not None:
        audit.refuse(odd)
    end: End | None = None
    for page in entry_pages(admin, which):
        try:
            for entry in page["entries"]:
                audit.take(which.form.read(entry))
        except MalformedError as error:
            audit.refuse(str(error))
        end = end_of_json(page["end"])
        if audit.fault is not None:
            break
    # Somebody may have added entries between the end's reading and the last page's.
    if end is not None and end.sequence < audit.expected - 1:
        end = None
    return audit.close(end)


def verdict_to_json(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict for programs."""
    fault = verdict.fault
    return {
        "whole": fault is None,
        "entries": verdict.end.sequence,
        "hash": verdict.end.hash.hex(),
        "confirmed": verdict.attested,
        "checkpoints": verdict.checkpoints,
        "first_bad": None if fault is None else fault.sequence,
        "fault": None if fault is None else fault.what,
    }


@contextmanager
def opened_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that somebody named, for reading. CommandError."""
    try:
        with path.open("rb") as stream:
            yield stream
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from error


def file_lines(stream: IO[bytes]) -> Iterator[bytes]:
    """Yield lines; one without end is cut, and then refused as too long."""
    while line := stream.readline(MAX_LINE + 2):
        yield line
