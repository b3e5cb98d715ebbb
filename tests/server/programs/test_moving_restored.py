"""Imports around a restore: what was used stays used, however its key comes back."""

from pathlib import Path

import pytest

from server.backup.recipients import create_identity
from tests.keystead_process import KeysteadProcess
from tests.server.moving_files import ReferenceClient, ReferenceKey, counter_file, key_file

CLIENT = ReferenceClient.new(41)


class Site:
    """A directory with an installation's files, its counter journals and a backup."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.journals = folder / "journals"
        self.recipient = create_identity(folder / "identity")
        self.first = self.installation("first")
        self.first.init()
        self.first.configure(f'[backup]\ncounter_journal = "{self.journals}"\n')
        (folder / "clients.csv").write_text(CLIENT.line)
        self.first.cli("import", "--clients", str(folder / "clients.csv"))

    def installation(self, name: str) -> KeysteadProcess:
        return KeysteadProcess(self.folder / name)

    def files(self, *keys: ReferenceKey) -> list[str]:
        """Write files of keys with counters; return the options that name them."""
        (self.folder / "keys.csv").write_text(key_file(keys))
        (self.folder / "counters.csv").write_text(counter_file(keys))
        named = [f"--{name}={self.folder}/{name}.csv" for name in ("keys", "counters")]
        return ["import", *named]

    def back_up(self) -> None:
        self.first.cli("backup", str(self.folder / "backup"), "--recipient", self.recipient)

    def restored(self, *options: str) -> KeysteadProcess:
        """Lose the first installation, restore its backup."""
        self.first.kill()
        second = self.installation("second")
        key_file_of_first = str(self.first.directory / "secrets" / "hsm.key")
        identity = ["--identity", str(self.folder / "identity"), "--key-file", key_file_of_first]
        second.cli("restore", str(self.folder / "backup"), *identity, *options)
        return second


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_a_key_that_is_imported_again_after_a_restore_accepts_no_used_otp(site: Site) -> None:
    key = ReferenceKey()
    site.first.start()
    site.back_up()
    site.first.cli(*site.files(key))
    used = key.next_otp()
    assert site.first.verify(CLIENT.client_id, used).status == "OK"
    with site.restored("--counter-journal", str(site.journals)) as second:
        assert not second.cli("fence", "status")["fenced"], "the journals tell everything"
        second.start()
        assert second.verify(CLIENT.client_id, used).status == "BAD_OTP", "the key is gone"
        second.cli(*site.files(key))
        assert second.verify(CLIENT.client_id, used).status == "REPLAYED_OTP"
        assert second.verify(CLIENT.client_id, key.otp(key.session + 1, 1)).status == "OK"


def test_an_import_into_a_fenced_store_leaves_the_fence(site: Site) -> None:
    key = ReferenceKey()
    site.back_up()
    with site.restored() as second:
        second.start()
        second.cli(*site.files(key))
        assert second.verify(CLIENT.client_id, key.next_otp()).status == "BACKEND_ERROR"
        assert second.cli("fence", "status")["fenced"]
        second.cli("fence", "release", "--reason", "nothing was used since")
        second.wait_until(
            lambda: second.verify(CLIENT.client_id, key.last_otp()).status == "REPLAYED_OTP"
        )
        assert second.verify(CLIENT.client_id, key.next_otp()).status == "OK"
