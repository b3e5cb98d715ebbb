"""The incident that a prober has opened, for commands on its host: they work on its spool."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from server.accounts.text import InputError, checked_operator_name
from server.clock import SystemClock
from server.incidents.instants import write_instant
from server.incidents.record_json import write_record
from server.incidents.schedule import Schedule
from server.incidents.states import StepRefusedError
from server.notices.board import BoardError, load_board
from server.probing.vigil import Local, Vigil
from server.programs.exits import CommandError, Exit
from server.programs.probe import open_spool
from server.programs.probe_config import ProbeConfig, read_config
from server.storage.spool import SpoolError

MAX_TEXT = 1000
_US = 1_000_000


def show(file: Path) -> dict[str, object] | None:
    """Return the incident, None when there is none."""
    with _vigil(read_config(file), file) as vigil:
        local = vigil.local()
        return None if local is None else _shown(vigil, local)


def acknowledge(file: Path, person: str, text: str) -> dict[str, object]:
    """Acknowledge it; CommandError."""
    return _add(file, person, text, lambda vigil: vigil.acknowledge(person, text))


def tell(file: Path, person: str, text: str) -> dict[str, object]:
    """Tell everybody something; CommandError."""
    return _add(file, person, text, lambda vigil: vigil.tell(person, text))


def _add(file: Path, person: str, text: str, step: Callable[[Vigil], Local]) -> dict[str, object]:
    config = read_config(file)
    checked_operator_name(person)
    _check_known(config, file, person)
    if len(text) > MAX_TEXT or not text.isprintable():
        raise InputError(f"the text is one line of at most {MAX_TEXT} characters")
    with _vigil(config, file) as vigil:
        try:
            return _shown(vigil, step(vigil))
        except StepRefusedError as error:
            raise CommandError(str(error)) from error
        except LookupError as error:
            raise CommandError(str(error), Exit.NOT_FOUND) from error


def _check_known(config: ProbeConfig, file: Path, person: str) -> None:
    """Refuse a name that is not on the board: who acknowledged is in the proof later."""
    if config.board is None:
        return
    try:
        people = load_board(file.absolute().parent / config.board).people
    except BoardError as error:
        raise CommandError(str(error)) from error
    if person not in people:
        raise CommandError(f"{person} is not on the notice board: {', '.join(sorted(people))}")


@contextmanager
def _vigil(config: ProbeConfig, file: Path) -> Iterator[Vigil]:
    try:
        with closing(open_spool(config, file.absolute().parent)) as spool:
            yield Vigil(spool, prober=spool.prober, clock=SystemClock(), schedule=Schedule())
    except SpoolError as error:
        raise CommandError(str(error)) from error


def _shown(vigil: Vigil, local: Local) -> dict[str, object]:
    incident = local.incident
    now_s = SystemClock().now_us() // _US
    clocks = [
        {
            "clock": one.clock.value,
            "due": None if one.story.due is None else write_instant(one.story.due),
            "outcome": None if (found := one.outcome(now_s)) is None else found.value,
        }
        for one in vigil.clocks(local)
    ]
    return {
        "reference": local.reference,
        "id": local.incident_id or None,
        "title": incident.title,
        "state": incident.state.value,
        "severity": incident.severity.value,
        "reported": write_instant(incident.reported_us // _US),
        "clocks": clocks,
        "history": [write_record(record) for record in incident.history],
    }
