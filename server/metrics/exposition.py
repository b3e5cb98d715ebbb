"""What Prometheus sees: the sum of all tallies, gauges of the running service, the process.

The process that owns the operations listener opens every worker's tally and adds them up when
it is asked. Names, labels and buckets come from `layout`; every label value is present from the
start with 0, so that a rate over a status that never happened is 0 and not "no data".
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from server.metrics import layout
from server.metrics.tally import Tally

Families = Callable[[], Iterable[Metric]]
"""Returns metrics of a room, read at the moment."""


class Gauge(NamedTuple):
    """A number read when Prometheus asks. `name` without unit prefix rules: used as it is."""

    name: str
    text: str
    read: Callable[[], float]


class TallyCollector(Collector):
    """Shows tallies (by process name: "control", "worker-0", ...) and gauges."""

    def __init__(
        self,
        tallies: Mapping[str, Tally],
        *,
        gauges: Sequence[Gauge] = (),
        build: Mapping[str, str] | None = None,
        families: Sequence[Families] = (),
    ) -> None:
        self._tallies = tallies
        self._gauges = gauges
        self._build = dict(build or {})
        self._families = families

    def describe(self) -> Iterator[Metric]:
        """Promise nothing ahead, so that registering does not read (and reset) the gauges."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Yield all families, summed over the tallies; the lag gauges start again at zero."""
        copies = {process: tally.cells() for process, tally in self._tallies.items()}
        total = [sum(cells) for cells in zip(*copies.values(), strict=True)] or [0] * layout.CELLS
        for family in layout.COUNTERS:
            yield _counter(family, total)
        yield _durations(total)
        connections = GaugeMetricFamily(
            "keystead_open_connections", "Connections held now, by process.", labels=["process"]
        )
        lag = GaugeMetricFamily(
            "keystead_loop_lag_seconds",
            "Longest delay of the event loop since the last scrape, by process.",
            labels=["process"],
        )
        for process, cells in copies.items():
            connections.add_metric([process], cells[layout.OPEN_CONNECTIONS_AT])
            lag.add_metric([process], self._tallies[process].take_lag_s())
        yield connections
        yield lag
        yield from _certificate(list(copies.values()))
        for gauge in self._gauges:
            yield GaugeMetricFamily(gauge.name, gauge.text, value=gauge.read())
        if self._build:
            yield InfoMetricFamily("keystead_build", "What is running.", value=self._build)
        for families in self._families:
            yield from families()


def _certificate(processes: Sequence[Sequence[int]]) -> Iterator[Metric]:
    """Show the certificate that expires first, of all that are in service; nothing without TLS."""
    expiries = [cells[layout.CERTIFICATE_EXPIRES_AT] for cells in processes]
    if not any(expiries):
        return
    yield GaugeMetricFamily(
        "keystead_tls_certificate_expiry_timestamp_seconds",
        "When the TLS certificate in service expires: the earliest over all processes.",
        value=min(expiry for expiry in expiries if expiry),
    )
    yield GaugeMetricFamily(
        "keystead_tls_certificate_refused",
        "Processes that refused the TLS files as they are now, and serve with older ones.",
        value=sum(cells[layout.CERTIFICATE_REFUSED_AT] for cells in processes),
    )


def _counter(family: layout.Family, total: Sequence[int]) -> Metric:
    if not family.labels:
        return CounterMetricFamily(family.name, family.text, value=total[family.start])
    metric = CounterMetricFamily(family.name, family.text, labels=family.labels)
    for index, values in enumerate(family.values):
        metric.add_metric(values, total[family.start + index])
    return metric


def _durations(total: Sequence[int]) -> Metric:
    """Cells count each bucket by itself; Prometheus wants each to hold all smaller ones."""
    buckets: list[tuple[str, float]] = []
    running = 0
    bounds = [*(str(bound) for bound in layout.DURATION_BOUNDS_S), "+Inf"]
    for index, bound in enumerate(bounds):
        running += total[layout.DURATION_START + index]
        buckets.append((bound, running))
    return HistogramMetricFamily(
        "keystead_verify_duration_seconds",
        "Time from a complete request to its answer, at the verification door.",
        buckets=buckets,
        sum_value=total[layout.DURATION_SUM_AT] / 1_000_000,
    )


def metrics_registry(
    tallies: Mapping[str, Tally],
    *,
    gauges: Sequence[Gauge] = (),
    build: Mapping[str, str] | None = None,
    families: Sequence[Families] = (),
) -> CollectorRegistry:
    """Return a registry of our own: tallies, gauges, and this process and platform.

    tallies: by process name; gauges: read at each scrape; build: labels of
    `keystead_build_info`, such as the version; families: what rooms show themselves, asked for at
    each scrape. The library's global registry stays untouched.
    """
    registry = CollectorRegistry(auto_describe=False)
    registry.register(TallyCollector(tallies, gauges=gauges, build=build, families=families))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    return registry
