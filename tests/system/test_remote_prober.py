"""A prober on another host: made from afar, and handing in over HTTPS with a token of its own."""

import tomllib
from pathlib import Path

from tests.keystead_process import KeysteadProcess
from tests.prober_process import ProberProcess
from tests.system.remote_admin import keep_token, open_door


def test_a_prober_that_was_made_from_afar_hands_in_over_https(tmp_path: Path) -> None:
    with (
        KeysteadProcess(tmp_path / "var") as keystead,
        ProberProcess(keystead, tmp_path / "probe") as prober,
    ):
        keystead.init()
        door = open_door(keystead, tmp_path)
        boss = keep_token(
            tmp_path, "boss", keystead.cli("operator", "add", "boss", "--role", "admin")["token"]
        )
        assert keystead.ready is not None
        url = keystead.ready.verify_url.partition("/wsapi")[0]
        made = door.cli(boss, "probe", "init", str(prober.directory), "--probe", url, "--json")
        assert made.code == 0, made.err
        settings = 'interval_seconds = 0.5\nlisten = "127.0.0.1:0"\n'
        prober.config.write_text(settings + prober.config.read_text())
        assert "socket" not in tomllib.loads(prober.config.read_text())["server"]
        prober.start()
        keystead.wait_until(lambda: keystead.cli("probe", "list")["probers"])
        keystead.wait_until(lambda: prober.metrics()["keystead_probe_findings_waiting"] == 0)
        token = prober.directory / "token"
        assert token.stat().st_mode & 0o077 == 0
        # What it holds hands in, and looks at nothing.
        looked = door.cli(token, "client", "list")
        assert (looked.code, "does not carry client.read" in looked.err) == (1, True)
        # Its token is taken away: what it finds waits, and it says that nobody takes it.
        keystead.cli("operator", "disable", made.value["operator"])
        keystead.wait_until(lambda: prober.metrics()["keystead_probe_server_away"] == 1)
        assert prober.rounds("bad") == 0
        secret = token.read_text().strip().split("_")[2]
        assert secret not in prober.log_file.read_text() + keystead.log_text()
