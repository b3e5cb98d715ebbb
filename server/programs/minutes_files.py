"""Minutes as files: segments of days as lines of JSON, written and held against a ledger."""

from pathlib import Path
from typing import IO

from server.journal.export import line_of
from server.programs.admin_client import AdminClient
from server.programs.journal_files import LEDGER, entry_pages, file_lines, opened_file
from server.uptime.proof import MinutesProof, MinutesVerdict


def write_minutes(admin: AdminClient, stream: IO[bytes]) -> int:
    """Write the segments of every day that has an entry; return of how many days there are any."""
    days = 0
    for page in entry_pages(admin, LEDGER):
        for entry in page["entries"]:
            if entry["kind"] != "minutes":
                continue
            found = admin.get(f"/availability/segments/{entry['subject']}")["segments"]
            for segment in found:
                stream.write(line_of(segment))
            days += bool(found)
    return days


def hold_minutes(path: Path, proof: MinutesProof) -> MinutesVerdict:
    """Hold a file of minutes against the entries that the proof was told of. CommandError."""
    with opened_file(path) as stream:
        return proof.hold(file_lines(stream))
