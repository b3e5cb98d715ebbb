"""What the prober shows: the server's newest snapshot, and what came since."""

from dataclasses import replace
from datetime import date
from fractions import Fraction
from pathlib import Path

import pytest

from server.incidents.components import Component
from server.incidents.schedule import Schedule
from server.incidents.states import State
from server.probing.pages import probed
from server.probing.standing import Standing
from server.probing.vigil import Local, Vigil
from server.programs.probe_pages import PageKeeper
from server.status.files import FORMS, Site
from server.status.now import Health, overall
from server.status.snapshot import Bar, ComponentView, Measured, PublicIncident, Snapshot
from server.status.wire import write_snapshot
from server.storage.spool import Spool
from tests.server.still_clock import NOW_US, StillClock

NOW_S = NOW_US // 1_000_000
WELL, FAILING = Standing(good=3), Standing(failing=True, bad=2, since_us=NOW_US, why="HTTP 500")
BASE = Snapshot(
    "Example OTP",
    NOW_US - 30_000_000,
    (
        ComponentView(
            Component.VALIDATION,
            is_measured=True,
            measured=Measured(NOW_S - 60, Fraction(0)),
            bars=(Bar(date(2026, 11, 20), 86_400, 0, 0, Fraction(7)),),
        ),
        ComponentView(Component.UPLOAD),
    ),
)


@pytest.fixture
def local(tmp_path: Path) -> Local:
    spool = Spool.open(tmp_path / "other.db")
    vigil = Vigil(spool, prober="prober", clock=StillClock(), schedule=Schedule())
    vigil.consider(FAILING, away=True)
    vigil.acknowledge("ann")
    kept = vigil.tell("ann", "We are looking into it")
    spool.close()
    return kept


def show(
    base: Snapshot | None, local: Local | None, standing: Standing, seen_us: int | None = NOW_US
) -> Snapshot:
    return probed(
        base, service="OTP", local=local, standing=standing, seen_us=seen_us, now_us=NOW_US
    )


def test_while_all_is_well_the_servers_snapshot_is_shown_with_newer_evidence() -> None:
    shown = show(BASE, None, WELL)
    assert (shown.service, shown.read_us, shown.figures) == (
        BASE.service,
        BASE.read_us,
        BASE.figures,
    )
    validation, upload = shown.components
    assert validation.measured == Measured(NOW_S, Fraction(0))
    assert (validation.bars, upload) == (BASE.components[0].bars, BASE.components[1])
    assert overall(shown, NOW_S) is Health.OPERATIONAL


def test_an_incident_of_the_probers_own_is_shown_without_who_did_it(local: Local) -> None:
    shown = show(BASE, local, FAILING)
    (incident,) = shown.incidents
    assert (incident.state, incident.reference) == (State.ACKNOWLEDGED, local.reference[:12])
    assert "We are looking into it" in [update.text for update in incident.updates]
    assert b"ann" not in write_snapshot(shown)
    assert overall(shown, NOW_S) is Health.OUTAGE


def test_what_the_server_knows_by_its_number_is_shown_once(local: Local) -> None:
    numbered = local._replace(incident_id=7)
    shown = show(show(BASE, numbered, FAILING), numbered, FAILING)
    assert [one.reference for one in shown.incidents] == ["7"]


def test_without_the_server_there_is_validation_as_it_was_seen() -> None:
    shown = show(None, None, FAILING)
    assert (shown.service, [view.component for view in shown.components]) == (
        "OTP",
        [Component.VALIDATION],
    )
    assert overall(shown, NOW_S) is Health.OUTAGE
    assert overall(show(None, None, WELL, None), NOW_S) is Health.UNKNOWN


async def test_the_newest_snapshot_stands_after_a_new_start_and_files_are_written(
    tmp_path: Path,
) -> None:
    answers: list[bytes | None] = [write_snapshot(BASE), b"no snapshot", None]
    spool, directory = Spool.open(tmp_path / "spool.db"), tmp_path / "pages"

    async def fetch() -> bytes | None:
        return answers.pop(0)

    def keeper() -> PageKeeper:
        site = Site("https://prober.example/status")
        return PageKeeper(
            fetch, spool, service="OTP", site=site, directory=directory, clock=StillClock()
        )

    first = keeper()
    assert first.documents is None
    for _ in range(3):
        await first.fetch()
    again = keeper()
    again.show(None, WELL, NOW_US)
    assert again.documents is not None
    assert set(again.documents) == set(FORMS)
    for name, octets in again.documents.items():
        assert (directory / name).read_bytes() == octets
    assert b"Example OTP" in (directory / "index.html").read_bytes()
    spool.close()


async def test_a_directory_that_cannot_be_written_keeps_nothing_else_from_being_shown(
    tmp_path: Path,
) -> None:
    (tmp_path / "pages").write_text("a file")
    spool = Spool.open(tmp_path / "spool.db")

    async def fetch() -> bytes | None:
        return None

    keeper = PageKeeper(
        fetch,
        spool,
        service="OTP",
        site=Site(""),
        directory=tmp_path / "pages",
        clock=StillClock(),
    )
    keeper.show(None, WELL, NOW_US)
    assert keeper.documents is not None
    spool.close()


_UNTOLD = PublicIncident(
    "7", Component.VALIDATION, "It fails", State.OPEN, None, NOW_US, None, updates=()
)


@pytest.mark.parametrize(
    "base",
    [replace(BASE, read_us=2**60), replace(BASE, incidents=(_UNTOLD,))],
    ids=["of the year 38504", "an incident without an update"],
)
async def test_a_snapshot_that_nobody_can_show_hides_nothing_of_what_the_prober_saw(
    tmp_path: Path, local: Local, base: Snapshot
) -> None:
    spool = Spool.open(tmp_path / "spool.db")

    async def fetch() -> bytes | None:
        return write_snapshot(base)

    def keeper() -> PageKeeper:
        return PageKeeper(
            fetch,
            spool,
            service="OTP",
            site=Site("https://prober.example/status"),
            directory=None,
            clock=StillClock(),
        )

    first = keeper()
    await first.fetch()
    for one in (first, keeper()):  # also after a new start, from what was kept
        one.show(local, FAILING, NOW_US)
        assert one.documents is not None
        assert b"We are looking into it" in one.documents["index.html"]
    spool.close()
