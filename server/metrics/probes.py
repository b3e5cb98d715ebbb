"""What Prometheus sees of a prober: rounds by outcome and phase, and what waits for the server."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, PlatformCollector, ProcessCollector

OUTCOMES = ("good", "bad")
PHASES = ("service", "maintenance")


class ProbeMetrics:
    """A prober's counters, in a registry of their own; every label is there from 0 on.

    waiting, lost: findings that the server has not yet, and those that gave way; failing, away:
    whether the service counts as failing, and whether the server's admin door did not answer last.
    """

    def __init__(
        self,
        *,
        waiting: Callable[[], float],
        lost: Callable[[], float],
        failing: Callable[[], float],
        away: Callable[[], float],
    ) -> None:
        self.registry = CollectorRegistry()
        self._rounds = Counter(
            "keystead_probe_total",
            "Rounds of a probe, the replay included.",
            ("outcome", "phase"),
            registry=self.registry,
        )
        for outcome in OUTCOMES:
            for phase in PHASES:
                self._rounds.labels(outcome, phase)
        self._gauge("keystead_probe_findings_waiting", "Findings the server has not yet.", waiting)
        self._gauge("keystead_probe_findings_lost", "Findings it never had: too many.", lost)
        self._gauge("keystead_probe_failing", "1 while the service counts as failing.", failing)
        self._gauge("keystead_probe_server_away", "1 while nothing can be handed in.", away)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)

    def count(self, outcome: str, phase: str) -> None:
        """Count a round; those that say nothing are not counted."""
        if outcome in OUTCOMES:
            self._rounds.labels(outcome, phase).inc()

    def _gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        Gauge(name, text, registry=self.registry).set_function(read)
