"""Somebody else at the host: links in the agent's directory, programs that are his to change."""

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.identity import Identity, load, save
from agent.installing import Run, plan_install
from agent.owner import Owner, owner_to_become
from agent.private_file import write_private
from agent.single import hold
from agent.store import FILE, StoreError
from agent.trusted_path import UntrustedProgramError, check_program, others_can_change
from tests.agent.closing import opened

PRECIOUS = "root's own\n"


@pytest.fixture
def precious(tmp_path: Path) -> Path:
    """Return a file that somebody wants overwritten, or given to him."""
    found = tmp_path / "shadow"
    found.write_text(PRECIOUS)
    found.chmod(0o600)
    return found


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    found = tmp_path / "agent"
    found.mkdir(mode=0o700)
    return found


@pytest.mark.parametrize("laid", [os.symlink, os.link], ids=["symbolic", "hard"])
@pytest.mark.parametrize("name", ["lock", FILE])
def test_no_link_leads_the_agent_to_a_file_of_somebody_elses(
    directory: Path, precious: Path, laid: Callable[[Path, Path], None], name: str
) -> None:
    laid(precious, directory / name)
    owner = precious.stat()
    with pytest.raises((OSError, StoreError)):
        (hold if name == "lock" else opened)(directory)
    assert precious.read_text() == PRECIOUS
    assert (precious.stat().st_uid, precious.stat().st_mode) == (owner.st_uid, owner.st_mode)


@pytest.mark.parametrize("laid", [os.symlink, os.link], ids=["symbolic", "hard"])
@pytest.mark.parametrize("name", ["identity.json", ".identity.json.new"])
def test_a_link_in_the_place_of_an_identity_is_replaced_and_not_followed(
    directory: Path, precious: Path, laid: Callable[[Path, Path], None], name: str
) -> None:
    laid(precious, directory / name)
    identity = Identity.fresh("https://keystead.example.org", "laptop", "")
    save(directory, identity)
    assert load(directory) == identity
    assert precious.read_text() == PRECIOUS
    assert stat.S_ISREG((directory / "identity.json").lstat().st_mode)


def test_a_private_file_is_nobody_elses_whatever_lay_there(directory: Path) -> None:
    (directory / ".secret.new").write_text("somebody may read this")
    (directory / ".secret.new").chmod(0o666)
    write_private(directory / "secret", b"a secret")
    assert (directory / "secret").stat().st_mode & 0o777 == 0o600
    assert [one.name for one in directory.iterdir()] == ["secret"]


@pytest.mark.parametrize(
    ("owner", "acting", "becomes"),
    [
        (Owner(0, 0), 0, None),
        (Owner(997, 995), 0, Owner(997, 995)),
        (Owner(997, 995), 997, None),
        (Owner(997, 995), 1000, None),
    ],
)
def test_root_acts_in_anothers_directory_as_that_other(
    owner: Owner, acting: int, becomes: Owner | None
) -> None:
    assert owner_to_become(owner, acting) == becomes


def test_what_root_asks_for_in_the_agents_directory_is_done_as_the_agents_user(
    tmp_path: Path,
) -> None:
    if os.geteuid():
        pytest.skip("to become another user takes root, as whom .ci/run may run")
    code = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from agent.owner import become_owner\n"
        "become_owner(Path(sys.argv[1]))\n"
        "print(os.getresuid(), os.getresgid(), os.getgroups())\n"
    )
    (tmp_path / "mine").mkdir()
    (tmp_path / "theirs").mkdir()
    os.chown(tmp_path / "theirs", 65534, 65533)
    said = [
        subprocess.run(
            [sys.executable, "-c", code, tmp_path / name],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for name in ("mine", "none", "theirs")
    ]
    assert said[0] == said[1]
    assert said[0].startswith("(0, 0, 0)")
    assert said[2] == "(65534, 65534, 65534) (65533, 65533, 65533) []"


def status_of(mode: int, user: int, group: int = 0) -> os.stat_result:
    return os.stat_result((mode, 1, 1, 1, user, group, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("found", "can"),
    [
        (status_of(stat.S_IFREG | 0o755, 0), False),
        (status_of(stat.S_IFREG | 0o755, 1000), True),
        (status_of(stat.S_IFREG | 0o775, 0), False),
        (status_of(stat.S_IFREG | 0o775, 0, 50), True),
        (status_of(stat.S_IFREG | 0o757, 0), True),
        (status_of(stat.S_IFDIR | 0o1777, 0), False),
        (status_of(stat.S_IFDIR | 0o777, 0), True),
        (status_of(stat.S_IFLNK | 0o777, 1000), False),
    ],
)
def test_who_can_change_a_program_is_told_by_owner_and_mode(
    found: os.stat_result,
    can: bool,  # noqa: FBT001 - the expectation
) -> None:
    assert others_can_change(found) is can


def test_a_program_that_others_can_change_is_not_installed(tmp_path: Path) -> None:
    program = tmp_path / "bin" / "keystead-agent"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.parent.chmod(0o777)
    (tmp_path / "link").symlink_to(program)
    for called in (program, tmp_path / "link"):
        with pytest.raises(UntrustedProgramError, match="others than root"):
            check_program([called], hidden=False)


def test_a_program_of_the_systems_is_installed() -> None:
    check_program([Path("/bin/sh")], hidden=True)


@pytest.mark.parametrize("home", ["home", "root", "run/user"])
def test_a_program_that_systemd_would_hide_is_not_installed(home: str) -> None:
    with pytest.raises(UntrustedProgramError, match="hides"):
        check_program([Path("/", home, "alice", "keystead-agent")], hidden=True)


def test_on_windows_whoever_made_the_directory_before_us_loses_it() -> None:
    commands = [
        " ".join(step.command)
        for step in plan_install("windows", r"C:\Keystead\keystead-agent.exe")
        if isinstance(step, Run)
    ]
    order = [
        next(at for at, one in enumerate(commands) if what in one)
        for what in ("mkdir", "/setowner", "/reset", "/inheritance:r", "sc.exe start")
    ]
    assert order == sorted(order)
