"""One round of one subject: how many a second, how long the slowest took, what it cost."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from hsm.bench.subject import Subject

_TICKS_PER_S = 100  # what Linux counts processor time in for /proc, whatever the kernel's own is
_AFTER_NAME = 2
_USER, _SYSTEM = 11, 12


class Round(NamedTuple):
    """What one round showed. per_s: OTPs; cpu_us, device_us: processor time per OTP.

    cpu_us is this process' own: for a device in process both together. device_us: that of the
    emulators' processes, 0 without any.
    """

    per_s: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    device_us: float


async def measure(subject: Subject) -> Round:
    """Open the subject's OTPs, so many at a time. A wrong answer is an AssertionError."""
    left = subject.otps
    took: list[float] = []
    vault, questions = subject.vault, subject.questions

    async def ask() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            binding, record, ciphertext, use = next(questions)
            begun = time.perf_counter()
            fields = await vault.open_otp(binding, record, ciphertext)
            took.append(time.perf_counter() - begun)
            if fields.use != use:
                raise AssertionError("a vault opened an OTP wrongly")

    device_before = _processor_s(subject.pids)
    cpu_before, before = time.process_time(), time.perf_counter()
    await asyncio.gather(*(ask() for _ in range(subject.asking)))
    seconds, cpu = time.perf_counter() - before, time.process_time() - cpu_before
    device = _processor_s(subject.pids) - device_before
    took.sort()
    count = len(took)
    return Round(
        count / seconds,
        1e3 * took[count // 2],
        1e3 * took[count * 99 // 100],
        1e6 * cpu / count,
        1e6 * device / count,
    )


def _processor_s(pids: Sequence[int]) -> float:
    """Return the processor seconds that processes used so far; 0 where there is no /proc."""
    total = 0
    for pid in pids:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        except OSError:
            continue
        fields = stat.rpartition(")")[2].split()
        total += int(fields[_USER]) + int(fields[_SYSTEM])
    return total / _TICKS_PER_S
