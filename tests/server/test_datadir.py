"""The data directory: private, prepared, and one process's at a time."""

import os
from pathlib import Path

import pytest

from server.datadir import DataDirectory, DataDirectoryError, InUseError


@pytest.fixture
def data(tmp_path: Path) -> DataDirectory:
    directory = DataDirectory(tmp_path / "var")
    directory.create()
    directory.sealing_key_file.touch(mode=0o600)
    return directory


def test_what_init_made_is_accepted(data: DataDirectory) -> None:
    data.require()
    assert data.run.stat().st_mode & 0o777 == 0o700


def test_making_it_twice_changes_nothing(data: DataDirectory) -> None:
    data.create()
    data.require()


def test_a_directory_that_is_not_there_is_told_how_to_be_made(tmp_path: Path) -> None:
    with pytest.raises(DataDirectoryError, match="keystead init --data"):
        DataDirectory(tmp_path / "none").require()


def test_a_directory_without_a_sealing_key_is_not_initialised(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path / "var")
    directory.create()
    with pytest.raises(DataDirectoryError, match="not initialised"):
        directory.require()


@pytest.mark.parametrize("room", ["root", "secrets", "run"])
@pytest.mark.parametrize("mode", [0o701, 0o710, 0o777])
def test_a_room_open_to_others_is_refused(data: DataDirectory, room: str, mode: int) -> None:
    directory: Path = getattr(data, room)
    directory.chmod(mode)
    with pytest.raises(DataDirectoryError, match=f"chmod 700 {directory}"):
        data.require()
    directory.chmod(0o700)


def test_a_file_in_the_directorys_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("")
    with pytest.raises(DataDirectoryError, match="cannot be made"):
        DataDirectory(tmp_path / "var").create()


def test_somebody_elses_directory_is_refused(data: DataDirectory) -> None:
    directory = data
    if os.geteuid() == 0:
        os.chown(data.root, 65534, 65534)
    else:
        directory = DataDirectory(Path("/usr"))  # root's on every system
    with pytest.raises(DataDirectoryError, match="belongs to"):
        directory.require()


def test_who_holds_it_is_named_and_the_next_may_follow(data: DataDirectory) -> None:
    assert data.holder() is None
    other = DataDirectory(data.root)
    with data.locked():
        assert other.holder() == os.getpid()
        with pytest.raises(InUseError, match=f"in use by process {os.getpid()}") as caught, (
            other.locked()
        ):  # fmt: skip
            pass
        assert caught.value.pid == os.getpid()
    assert data.holder() is None
    with other.locked():
        pass


def test_a_holder_that_has_not_said_its_name_is_still_a_holder(data: DataDirectory) -> None:
    with data.locked():
        data.lock_file.write_text("")
        assert data.holder() == 0
        with pytest.raises(InUseError, match="another process"), DataDirectory(data.root).locked():
            pass
