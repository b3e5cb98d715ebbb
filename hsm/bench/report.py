"""The figures of a run as a table: medians over the rounds, and ratios within each round."""

from collections.abc import Mapping, Sequence
from statistics import median

from hsm.bench.measure import Round

Rounds = Mapping[str, Sequence[Round]]


def table(rounds: Rounds, baseline: str) -> str:
    """Return a Markdown table; the ratio is that of CPU per OTP to the baseline's, by round."""
    lines = [
        f"| | OTP/s | p50 ms | p99 ms | CPU us/OTP | of {baseline} | emulators' CPU us/OTP |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, shown in rounds.items():
        per_s, p50, p99, cpu, device = (median(column) for column in zip(*shown, strict=True))
        ratio = median(
            one.cpu_us / base.cpu_us for one, base in zip(shown, rounds[baseline], strict=True)
        )
        lines.append(
            f"| {name} | {per_s:,.0f} | {p50:.2f} | {p99:.2f} | {cpu:.1f} | {ratio:.1f} |"
            f" {f'{device:.0f}' if device else ''} |"
        )
    return "\n".join(lines)


def linear(rounds: Rounds, single: str, pool: str, devices: int) -> float:
    """Return a pool's share of so many times the single device, median over the rounds."""
    return median(
        many.per_s / (devices * one.per_s)
        for many, one in zip(rounds[pool], rounds[single], strict=True)
    )


def verdicts(rounds: Rounds, goals: Mapping[str, float]) -> list[str]:
    """Say of each goal (CPU us per OTP, at most) whether it is reached, in a line each."""
    lines = []
    for name, most in goals.items():
        found = median(one.cpu_us for one in rounds[name])
        reached = "reached" if found <= most else "MISSED"
        lines.append(f"{name}: {found:.0f} us CPU per OTP, at most {most:.0f}: {reached}")
    return lines
