"""`python -m hsm.bench`: each round asks every subject in turn; medians of ten are printed."""

import argparse
import asyncio
import contextlib
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence

import uvloop

from hsm.bench import report
from hsm.bench.devices import Running, Secrets, as_process, in_process
from hsm.bench.measure import Round, measure
from hsm.bench.subject import Keys, Subject, pool
from hsm.device.pool import DevicePool

_ROUNDS = 10
_POOLS = (1, 4, 8)
_ASKING = 16
_ASKING_PER_DEVICE = 4
_OTPS = 2_000
_OTPS_PER_DEVICE = 120
"""Less than a second of what hardware does."""

SEALED, IN_PROCESS, OVER_HTTP = "sealed", "strict, in process", "strict, over HTTP"
_GOALS = {IN_PROCESS: 120.0, OVER_HTTP: 150.0}
_SHARE_OF_LINEAR = 0.85


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; exit code 1 when a goal is missed."""
    parser = argparse.ArgumentParser(prog="python -m hsm.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=_ROUNDS)
    parser.add_argument("--pools", type=int, nargs="*", default=list(_POOLS))
    asked = parser.parse_args(arguments)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        rounds = runner.run(_measure(asked.rounds, asked.pools))
    return _print(rounds, asked.pools)


async def _measure(count: int, pools: Sequence[int]) -> report.Rounds:
    rounds: dict[str, list[Round]] = {}
    async with _subjects(pools) as subjects:
        for subject in subjects:
            await measure(subject)  # warm
        for number in range(count):
            sys.stderr.write(f"round {number + 1} of {count}\n")
            for subject in subjects:
                rounds.setdefault(subject.name, []).append(await measure(subject))
    return rounds


@contextlib.asynccontextmanager
async def _subjects(pools: Sequence[int]) -> AsyncIterator[list[Subject]]:
    shared, keys = Secrets.fresh(), Keys()
    async with contextlib.AsyncExitStack() as stack:
        data = stack.enter_context(tempfile.TemporaryDirectory(prefix="keystead-hsm-bench-"))

        def started(*, paced: bool) -> Running:
            return stack.enter_context(as_process(shared, paced=paced, data=data))

        here = in_process(shared)
        sealing = DevicePool([here.device], shared.provisioner)
        vault = keys.strict(await stack.enter_async_context(pool([here], shared)), sealing)
        questions = await keys.questions(vault)
        subjects = [
            Subject(SEALED, keys.sealed, await keys.questions(keys.sealed), _ASKING, 5 * _OTPS),
            Subject(IN_PROCESS, vault, questions, _ASKING, _OTPS),
        ]
        over_http = [started(paced=False)]
        paced = [started(paced=True) for _ in range(max(pools, default=0))]
        for name, devices, asking, otps in (
            (OVER_HTTP, over_http, _ASKING, _OTPS),
            *(
                (_paced(many), paced[:many], _ASKING_PER_DEVICE * many, _OTPS_PER_DEVICE * many)
                for many in pools
            ),
        ):
            opening = await stack.enter_async_context(pool(devices, shared))
            pids = [one.pid for one in devices if one.pid is not None]
            vault = keys.strict(opening, sealing)
            subjects.append(Subject(name, vault, questions, asking, otps, pids))
        yield subjects


def _paced(devices: int) -> str:
    return f"strict, --timing yubihsm2, {devices} device{'s' if devices > 1 else ''}"


def _print(rounds: report.Rounds, pools: Sequence[int]) -> int:
    lines = report.verdicts(rounds, _GOALS)
    for many in pools:
        if many > 1 and 1 in pools:
            share = report.linear(rounds, _paced(1), _paced(many), many)
            reached = "reached" if share >= _SHARE_OF_LINEAR else "MISSED"
            lines.append(
                f"{many} devices: {share:.2f} of linear, at least {_SHARE_OF_LINEAR}: {reached}"
            )
    sys.stdout.write("\n".join([report.table(rounds, SEALED), "", *lines, ""]))
    return 1 if any("MISSED" in line for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main())
