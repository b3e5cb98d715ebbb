"""A rota of three in Stockholm, handed over on Mondays at nine."""

from datetime import date, time
from zoneinfo import ZoneInfo

from server.incidents.instants import parse_instant
from server.oncall.escalation import Escalation, Step
from server.oncall.rota import Rota

STOCKHOLM = ZoneInfo("Europe/Stockholm")
ROTA = Rota(STOCKHOLM, date(2026, 11, 2), time(9), ("anna", "bo", "cilla"))
STEPS = Escalation(
    (Step(0, ("on-call",)), Step(5, ("on-call", "next")), Step(10, ("everybody",))),
    repeat_minutes=15,
)


def at(text: str) -> int:
    """Return Unix seconds of `2026-11-02T08:00:00Z`."""
    return parse_instant(text)
