"""What Prometheus reads: sums over all processes, complete from the start, nothing secret."""

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from server.metrics import layout
from server.metrics.exposition import Gauge, metrics_registry
from server.metrics.tally import Tally
from validation.status import Status

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(tallies: dict[str, Tally], **more: object) -> Samples:
    text = generate_latest(metrics_registry(tallies, **more)).decode()  # type: ignore[arg-type] # passed on
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def one(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, frozenset(labels.items())]


def test_every_counter_and_label_is_there_from_the_start_with_zero() -> None:
    samples = scrape({"worker-0": Tally.in_memory()})
    for status in Status:
        assert one(samples, "keystead_verify_responses_total", status=status.value) == 0
    for family in layout.COUNTERS:
        for label in family.values:
            labels = dict(zip(family.labels, label, strict=True))
            assert one(samples, f"{family.name}_total", **labels) == 0
        if not family.values:
            assert one(samples, f"{family.name}_total") == 0


def test_counts_of_all_processes_are_added_up() -> None:
    tallies = {f"worker-{number}": Tally.in_memory() for number in range(3)}
    for number, tally in enumerate(tallies.values()):
        for _ in range(number + 1):
            tally.answered(Status.OK, 0.0004)
    samples = scrape(tallies)
    assert one(samples, "keystead_verify_responses_total", status="OK") == 6
    assert one(samples, "keystead_verify_duration_seconds_count") == 6


def test_the_histogram_is_cumulative_and_in_seconds() -> None:
    tally = Tally.in_memory()
    for seconds in (0.0001, 0.0004, 0.0004, 0.02, 9.0):
        tally.answered(Status.OK, seconds)
    samples = scrape({"worker-0": tally})
    name = "keystead_verify_duration_seconds"
    assert one(samples, f"{name}_bucket", le="0.00025") == 1
    assert one(samples, f"{name}_bucket", le="0.0005") == 3
    assert one(samples, f"{name}_bucket", le="0.025") == 4
    assert one(samples, f"{name}_bucket", le="5.0") == 4
    assert one(samples, f"{name}_bucket", le="+Inf") == 5
    assert one(samples, f"{name}_count") == 5
    assert abs(one(samples, f"{name}_sum") - 9.0209) < 1e-6


def test_gauges_are_read_at_each_scrape() -> None:
    alive = [2.0]
    registry = metrics_registry(
        {"control": Tally.in_memory()},
        gauges=[Gauge("keystead_workers_alive", "Workers that accept.", lambda: alive[0])],
        build={"version": "0.1.0"},
    )
    assert b"keystead_workers_alive 2.0" in generate_latest(registry)
    alive[0] = 1.0
    text = generate_latest(registry)
    assert b"keystead_workers_alive 1.0" in text
    assert b'keystead_build_info{version="0.1.0"} 1.0' in text
    assert b"process_cpu_seconds_total" in text
    assert b"python_info" in text


def test_registering_does_not_use_up_the_longest_lag() -> None:
    tally = Tally.in_memory()
    tally.lagged(0.5)
    tally.connected()
    samples = scrape({"worker-0": tally})
    assert one(samples, "keystead_loop_lag_seconds", process="worker-0") == 0.5
    assert one(samples, "keystead_open_connections", process="worker-0") == 1


def test_without_any_tally_everything_is_zero() -> None:
    samples = scrape({})
    assert one(samples, "keystead_verify_responses_total", status="OK") == 0


def test_the_certificate_that_expires_first_is_shown_and_who_refused_newer_files() -> None:
    old, new, without = Tally.in_memory(), Tally.in_memory(), Tally.in_memory()
    old.certificate(1_800_000_000)
    old.certificate_refused()
    new.certificate(1_900_000_000)
    samples = scrape({"worker-0": old, "worker-1": new, "control": without})
    name = "keystead_tls_certificate_expiry_timestamp_seconds"
    assert one(samples, name) == 1_800_000_000
    assert one(samples, "keystead_tls_certificate_refused") == 1
    assert not [name for name, _ in scrape({"control": without}) if "tls" in name]
