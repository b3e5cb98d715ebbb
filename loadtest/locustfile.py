"""What Locust runs: the users, the plan's shape, and the hooks that begin and end a process.

`python -m loadtest` calls Locust with this file; by itself it refuses to run, because everything
that keeps a load test harmless and its ledger whole is in the plan that the former makes.
"""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from locust import LoadTestShape, events
from locust.env import Environment
from locust.exception import StopTest
from locust.runners import MasterRunner, WorkerRunner

from loadtest.desk import Desk
from loadtest.exits import Exit
from loadtest.guest import END, Guest, end
from loadtest.people import Crowd, Eavesdropper, Person
from loadtest.plan import Plan
from loadtest.secretfile import SecretFileError

__all__ = ["Crowd", "Eavesdropper", "Person", "PlannedShape"]


def end_everywhere(environment: Environment, msg: Any, **_other: Any) -> None:  # noqa: ANN401 - Locust's hook
    """Do what a worker process asks for: the first one names the reason."""
    if environment.process_exit_code is None:
        environment.process_exit_code = int(msg.data["code"])
        if environment.runner is not None:
            environment.runner.quit()


def add_options(parser: ArgumentParser) -> None:
    """Declare the one option of this file."""
    parser.add_argument("--keystead-plan", metavar="FILE", help="made by python -m loadtest")


def plan_of(environment: Environment) -> Plan:
    """Read the plan; StopTest when there is none."""
    options = environment.parsed_options
    if options is None or not options.keystead_plan:
        raise StopTest("run `python -m loadtest`, which makes a plan and calls Locust itself")
    return Plan.read(Path(options.keystead_plan))


def listen(environment: Environment, **_other: Any) -> None:  # noqa: ANN401 - Locust's hook
    """Let the master hear its workers."""
    if isinstance(environment.runner, MasterRunner):
        environment.runner.register_message(END, end_everywhere)


def prepare(environment: Environment, **_other: Any) -> None:  # noqa: ANN401 - Locust's hook
    """Take this process's keys and open its ledger, before its first user is made."""
    runner = environment.runner
    if isinstance(runner, MasterRunner):
        return
    try:
        plan = plan_of(environment)
        Guest.desk = Desk(plan, runner.worker_index if isinstance(runner, WorkerRunner) else 0)
    except (SecretFileError, OSError, ValueError) as error:
        end(environment, Exit.BROKEN, str(error))


def finish(**_other: Any) -> None:  # noqa: ANN401 - Locust's hook
    """Have the ledger on disk before the process ends."""
    if hasattr(Guest, "desk"):
        Guest.desk.ledger.close()
        del Guest.desk


class PlannedShape(LoadTestShape):
    """The plan's shape."""

    _plan: Plan | None = None

    def tick(self) -> tuple[int, float] | None:
        """Return how many users there are now and how many come a second."""
        if self._plan is None:
            if self.runner is None:
                return None
            self._plan = plan_of(self.runner.environment)
        elapsed_s: float = self.get_run_time()  # type: ignore[no-untyped-call] # as the hooks
        return self._plan.load.at(elapsed_s)


def give_up(user_instance: Any, exception: Exception, **_other: Any) -> None:  # noqa: ANN401 - Locust's hook
    """End the run when a user breaks: a fault of ours must not pass for a good answer."""
    end(user_instance.environment, Exit.BROKEN, f"a user broke: {type(exception).__name__}")


# Locust leaves its hooks without types.
events.init_command_line_parser.add_listener(add_options)  # type: ignore[no-untyped-call]
events.init.add_listener(listen)  # type: ignore[no-untyped-call]
events.test_start.add_listener(prepare)  # type: ignore[no-untyped-call]
events.user_error.add_listener(give_up)  # type: ignore[no-untyped-call]
events.quit.add_listener(finish)  # type: ignore[no-untyped-call]
