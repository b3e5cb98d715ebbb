"""Copies of checkpoints in the data directory: appended, private, and readable after a crash."""

import stat
from pathlib import Path

import pytest

from server.checkpoint_file import CheckpointFile
from tests.server.journal.chains import a_chain, signed

ONE, TWO = signed(a_chain(1)), signed(a_chain(2))


def test_what_is_kept_is_read_back_in_order(tmp_path: Path) -> None:
    file = CheckpointFile(tmp_path / "copies")
    assert file.read() == []
    file.keep(ONE)
    file.keep(TWO)
    assert file.read() == [ONE, TWO]
    assert stat.S_IMODE((tmp_path / "copies").stat().st_mode) == 0o600


def test_half_a_line_costs_itself_alone(tmp_path: Path) -> None:
    path = tmp_path / "copies"
    file = CheckpointFile(path)
    file.keep(ONE)
    with path.open("ab") as stream:
        stream.write(b'{"hash":"')
    assert file.read() == [ONE]
    file.keep(TWO)
    assert file.read() == [ONE, TWO]


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "copies").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        CheckpointFile(tmp_path / "copies").keep(ONE)
    assert not (tmp_path / "elsewhere").exists()
