"""A key that was judged under another rulebook, judged anew: what is found, what became. Pure."""

from collections.abc import Mapping
from datetime import date

from server.fleet.absorbing import as_report
from server.fleet.advisory_ports import JudgedKey, Judgement
from server.fleet.custody import alarm_facts
from server.fleet.exposure import Affected, Exposed
from server.fleet.lines import line_word
from server.fleet.rulebook import Hit, Rulebook


def rejudge(judged: JudgedKey, rulebook: Rulebook, today: date) -> Judgement:
    """Return what a rulebook says of a key."""
    report = as_report(judged.key)
    report = report._replace(facts={**report.facts, **alarm_facts(judged.alarms)})
    health, hits = rulebook.judge(report, today), rulebook.hits(report)
    rules = tuple(sorted({fault.rule.name for fault in health.faults}))
    became = {name: hit for name, hit in hits.items() if _is_worse(judged.hits, name, hit)}
    return Judgement(
        judged.key.key_id,
        judged.kept,
        health.worst,
        rules,
        line_word(report),
        rulebook.next_turn(report, today),
        hits,
        became,
    )


def _is_worse(before: Mapping[str, Hit], name: str, hit: Hit) -> bool:
    """Tell whether a key is affected now, or exposed, and was not before."""
    was = before.get(name, Hit(Affected.NO, Exposed.NO))
    affected = hit.affected is Affected.YES and was.affected is not Affected.YES
    return affected or (hit.exposed is Exposed.YES and was.exposed is not Exposed.YES)
