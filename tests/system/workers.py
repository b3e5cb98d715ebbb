"""The worker processes behind a door: which ones run, and how to lose one."""

import os
import secrets
import signal

from tests.keystead_process import KeysteadProcess

REPLACED_WITHIN_S = 30.0


def some_worker(keystead: KeysteadProcess) -> int:
    """Return the pid of a running worker, chosen by chance, once all slots have one."""
    keystead.wait_until(lambda: all(map(_runs, keystead.worker_pids().values())))
    return secrets.choice(list(keystead.worker_pids().values()))


def kill_a_worker(keystead: KeysteadProcess) -> None:
    """Kill a worker and wait until another one has taken its place."""
    pid = some_worker(keystead)
    os.kill(pid, signal.SIGKILL)
    keystead.wait_until(
        lambda: pid not in keystead.worker_pids().values(), within_s=REPLACED_WITHIN_S
    )


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
