"""An analysis report as a document: what is computed, then what people wrote about it."""

from collections.abc import Sequence

from server.reports.analysis import Analysis, Effect, Facts, Moment, Standing
from server.reports.document import Block, Document, Heading, Paragraph, Table, prose
from server.reports.revisions import ReportRecord
from server.reports.wording import VERDICTS, count, instant, seconds, share

_STANDING = {
    Standing.RUNNING: "running",
    Standing.MET: "met",
    Standing.MISSED: "missed",
}
_WRITTEN = (
    ("summary", "Summary"),
    ("cause", "Cause"),
    ("remedy", "What was done"),
    ("prevention", "What will keep it from happening again"),
    ("remarks", "Remarks"),
)
_NOBODY = "Nobody has written this yet."


def write_paper(analysis: Analysis, revisions: Sequence[ReportRecord], revision: int) -> Document:
    """Return a report. revisions: those published so far; revision: this one's, 0 for a draft."""
    facts = analysis.facts
    draft = "" if revision else "Draft: "
    head = (
        ("Report", f"incident {facts.incident}, {f'revision {revision}' if revision else 'draft'}"),
        ("Component", facts.component),
        ("Severity", f"{facts.severity} (the worst it was given)"),
        ("Reported", instant(facts.reported)),
        ("Resolved", instant(facts.resolved)),
        ("Report due", instant(facts.due, "not due: severity 3 and 4 have no such report")),
        ("Data as of", instant(facts.drafted)),
    )
    blocks: list[Block] = []
    texts = dict(analysis.texts)
    for name, title in _WRITTEN:
        text = texts[name].strip()
        if text:
            blocks += [Heading(title), *prose(text)]
        elif name != "remarks" and not revision:
            blocks += [Heading(title), Paragraph(_NOBODY)]
    blocks += [Heading("What is not known"), *_unknown(facts)]
    blocks += [Heading("Timeline"), _timeline(facts.timeline, internal=not revision)]
    blocks += _clocks(facts)
    blocks += _availability(facts)
    blocks += _impact(facts)
    blocks += _history(revisions)
    title = f"{draft}Incident {facts.incident}: {facts.title}"
    return Document(title, head, tuple(blocks))


def _unknown(facts: Facts) -> list[Block]:
    if not facts.unknown:
        return [Paragraph("Nothing that this report is computed from is missing.")]
    return [Paragraph(sentence) for sentence in facts.unknown]


def _timeline(moments: Sequence[Moment], *, internal: bool) -> Table:
    rows = [
        (instant(one.at), one.what + (" (internal)" if one.internal else ""), one.by, _said(one))
        for one in moments
        if internal or not one.internal
    ]
    return Table("What happened", ("Time", "What", "By", "Said"), tuple(rows))


def _said(one: Moment) -> str:
    return f"{one.text}{f' [internal: {one.note}]' if one.note else ''}".strip()


def _clocks(facts: Facts) -> list[Block]:
    if not facts.clocks:
        return []
    rows = tuple(
        (one.clock, instant(one.due), instant(one.stopped), _STANDING[one.standing])
        for one in facts.clocks
    )
    columns = ("Clock", "Due", "Stopped by a person", "Target")
    return [
        Heading("Response"),
        Paragraph(
            "Targets of commercially reasonable efforts. Only a person's answer stops a clock, and"
            " one exactly at the due instant is in time."
        ),
        Table("Clocks", columns, rows),
    ]


def _availability(facts: Facts) -> list[Block]:
    blocks: list[Block] = [Heading("Availability")]
    if facts.losses:
        rows = tuple(
            (instant(one.start), instant(one.end, "still going on"), str(one.impact))
            for one in facts.losses
        )
        blocks.append(Table("Downtime that a person confirmed", ("From", "To", "Impact"), rows))
    if facts.effects:
        columns = ("Month (UTC)", "Availability", "Target", "Downtime", "In this incident's time")
        effects = tuple(_effect(one) for one in facts.effects)
        blocks.append(Table("The service's figure as of these data", columns, effects))
    blocks.append(
        Paragraph(
            "Downtime is weighed by impact; what counts is the larger of measured and confirmed."
            " Announced maintenance is left out, unknown seconds are never up."
        )
    )
    return blocks


def _effect(one: Effect) -> tuple[str, str, str, str, str]:
    figures = one.seconds.figures
    return (
        one.month,
        share(figures.availability),
        f"{share(figures.target)}: {VERDICTS[figures.verdict]}",
        seconds(figures.downtime_s),
        seconds(one.lost_s),
    )


def _impact(facts: Facts) -> list[Block]:
    blocks: list[Block] = [Heading("Impact per Client ID")]
    if not facts.impacts:
        return [*blocks, Paragraph("Requests are counted of validation alone.")]
    columns = ("Client ID", "Answered well", "Failed", "Over the limit", "Downtime", "Unknown")
    rows = tuple(
        (
            "all together" if one.client == 0 else str(one.client),
            count(one.requests.good),
            count(one.requests.bad),
            count(one.requests.excluded),
            seconds(one.downtime_s),
            seconds(one.unknown_s),
        )
        for one in facts.impacts
    )
    return [*blocks, Table("Requests and seconds in the incident's time", columns, rows)]


def _history(revisions: Sequence[ReportRecord]) -> list[Block]:
    if not revisions:
        return []
    rows = tuple(
        (str(one.revision), instant(one.at_us // 1_000_000), one.reason or "first published")
        for one in revisions
    )
    return [Heading("Revisions"), Table("What was published", ("Revision", "When", "Why"), rows)]
