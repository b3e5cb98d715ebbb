"""Imports and exports as the journal tells of them: counts and ids, nothing secret."""

from collections.abc import Mapping

from server.journal.acts import Act, Deed, Json, State, Subject
from server.moving.ports import File, Gathered
from server.moving.report import Change, Report
from server.otp.states import ImportSummary

_LISTED = 100
"""Ids that an import's entry lists, of each kind; more of them are only counted."""


async def import_deed(act: Act, report: Report, gathered: Gathered) -> Deed:
    """Return the entry of an import: what each file changed, which keys and clients are new.

    Keys are told as those of a key file are: number, SHA-256 of the public ids, a short list.
    """
    summary = ImportSummary()
    async for public_ids in gathered.new_ids():
        summary.add_ids(public_ids)
    clients = await gathered.clients()
    state: dict[str, Json] = {**summary.state(), "files": _counts(report)}
    switched_off = [
        each.public_id async for page in gathered.raised() for each in page if not each.active
    ]
    if switched_off:
        state["inactive_known_keys"] = len(switched_off)
        if len(switched_off) <= _LISTED:
            state["inactive_known_public_ids"] = switched_off
    for name, is_known in (("new_clients", False), ("changed_clients", True)):
        ids = [each.client_id for each in clients if each.is_known is is_known]
        if 0 < len(ids) <= _LISTED:
            state[name] = ids
    return Deed(act, Subject("import", summary.subject.id), None, state)


def raising_deed(deed: Deed) -> Deed:
    """Return the entry that comes before an import's, when it raises counters ahead of its end.

    They stay raised, whatever becomes of the import.
    """
    files = (deed.after or {}).get("files")
    counters = files.get(File.COUNTERS.value) if isinstance(files, Mapping) else None
    act = deed.act._replace(action=f"{deed.act.action}.raise")
    return Deed(act, deed.subject, None, {"counters": counters})


def export_deed(act: Act, file: File) -> Deed:
    """Return the entry of an export, which is written before anything leaves."""
    return Deed(act, Subject("export", file.value), None, {"secrets": file is not File.COUNTERS})


def _counts(report: Report) -> State:
    return {
        file.value: {change.value: found[change] for change in Change}
        for file, found in report.counts.items()
    }
