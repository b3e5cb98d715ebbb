"""Files of advisories by command: made and signed by one, loaded and believed by another."""

import json
import stat
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from server.fleet.advisory_file import verify
from server.programs.cli import main
from tests.keystead_process import KeysteadProcess

PHRASE = "correct horse battery staple"


def made(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["fleet", "advisories", *arguments]) == 0
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["fleet", "advisories", *arguments]) == 1
    return capsys.readouterr().err


def document(path: Path, edition: int) -> str:
    text = resources.files("server.fleet").joinpath("advisories.json").read_text("utf-8")
    path.write_text(json.dumps(json.loads(text) | {"edition": edition}))
    return str(path)


def phrase_of(path: Path, text: str) -> tuple[str, str]:
    path.touch(mode=0o600)
    path.write_text(text + "\n")
    return "--passphrase-file", str(path)


def test_a_key_is_private_encrypted_and_never_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key, right = tmp_path / "key", phrase_of(tmp_path / "right", PHRASE)
    told = json.loads(made(capsys, "keygen", "--key", str(key), *right, "--json"))
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert key.read_bytes().startswith(b"age-encryption.org/v1\n")
    assert b"PRIVATE" not in key.read_bytes()
    before = key.read_bytes()
    short = phrase_of(tmp_path / "short", "short")
    assert "12 characters" in refused(capsys, "keygen", "--key", str(tmp_path / "new"), *short)
    Path(short[1]).chmod(0o644)
    assert "chmod 600" in refused(capsys, "keygen", "--key", str(tmp_path / "new"), *short)
    assert not (tmp_path / "new").exists()

    source, out = document(tmp_path / "d.json", 3), tmp_path / "out.json"
    sign = ("sign", source, "--key", str(key), "--out", str(out))
    wrong = phrase_of(tmp_path / "wrong", "not that one at all")
    assert "passphrase" in refused(capsys, *sign, *wrong)
    assert not out.exists()
    assert "edition 3" in made(capsys, *sign, *right)
    file = verify(out.read_bytes(), [bytes.fromhex(told["public_key"])])
    assert file.edition == 3
    assert key.read_bytes() == before


def test_a_key_can_be_left_to_what_encrypts_the_machine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "key"
    plain = ("keygen", "--key", str(key), "--plain")
    assert "advisory_keys = [" in made(capsys, *plain)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    before = key.read_bytes()
    assert "exists already" in refused(capsys, *plain)
    assert key.read_bytes() == before
    assert "nobody is here" in refused(capsys, "keygen", "--key", str(tmp_path / "new"))

    out = ("--key", str(key), "--out", str(tmp_path / "out.json"))
    odd = document(tmp_path / "odd.json", 0)
    assert "editions count from 1" in refused(capsys, "sign", odd, *out)
    assert "No such file" in refused(capsys, "sign", str(tmp_path / "no"), *out)
    assert not (tmp_path / "out.json").exists()
    good = document(tmp_path / "good.json", 4)
    made(capsys, "sign", good, *out)
    assert "File exists" in refused(capsys, "sign", good, *out)


RULES = """
[thresholds]
tries = 2

[own.no-otp]
fact = "device.usb.enabled"
operator = "contains"
value = "otp"
level = "notice"
words = "OTP is switched on"
"""


def test_a_file_is_loaded_once_and_stands_in_all_processes_and_after_restarts(
    keystead: KeysteadProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = ("--key", str(tmp_path / "key"))
    keys = json.loads(made(capsys, "keygen", *key, "--plain", "--json"))
    third, fourth = (str(tmp_path / f"{edition}.signed") for edition in (3, 4))
    for edition, out in ((3, third), (4, fourth)):
        source = document(tmp_path / f"{edition}.json", edition)
        made(capsys, "sign", source, *key, "--out", out)
    rules = tmp_path / "health.toml"
    rules.write_text(RULES.replace("device.usb.enabled", "device.usb.enable"))
    keystead.init()
    keystead.configure(
        f'[fleet]\nadvisory_keys = ["{keys["public_key"]}"]\nhealth_rules = "{rules}"\n'
    )
    findings = {one["check"]: one for one in keystead.run("doctor", "--json").value}
    assert findings["health rules"]["grade"] == "fail"
    assert f"{rules}:6" in findings["health rules"]["found"]
    unusable = keystead.run("serve", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0")
    assert unusable.code == 1
    assert "Did you mean device.usb.enabled" in unusable.err
    rules.write_text(RULES)

    # Nobody serves: the command does it itself. Then the service finds it, with its workers.
    assert keystead.cli("fleet", "advisories", "load", third)["edition"] == 3
    keystead.start(workers=2)

    def asked(*arguments: str) -> Any:  # noqa: ANN401 - JSON
        assert main(["fleet", *arguments, "--json", "--data", str(keystead.directory)]) == 0
        return json.loads(capsys.readouterr().out)

    assert asked("advisories")["edition"] == 3
    listed = {one["name"]: one for one in asked("rules")["rules"]}
    assert (listed["own-no-otp"]["level"], listed["own-no-otp"]["own"]) == ("notice", True)
    loaded = asked("advisories", "load", fourth, "--reason", "the new one")
    assert (loaded["edition"], [one["edition"] for one in loaded["files"]]) == (4, [3, 4])
    assert asked("advisories", "show") == loaded
    assert loaded["key"] == keys["key"]
    older = ("load", third, "--data", str(keystead.directory))
    assert "edition 4 stands" in refused(capsys, *older)
    assert asked("affected", "YSA-2025-01")["hosts"] == []
    assert asked("hosts", "--rule", "software-not-current") == {"hosts": []}

    decided = asked("critical", "YSA-2024-03", "--reason", "keys sign payments")
    assert (decided["critical"], decided["edition"]) == (True, 4)
    taken = asked("critical", "YSA-2017-01", "--reason", "old keys are about")
    taken = asked("critical", "YSA-2017-01", "--withdraw", "--reason", "all swapped")
    assert taken["critical"] is False
    history = asked("decisions")["decisions"]
    assert [(one["advisory"], one["critical"]) for one in history] == [
        ("YSA-2024-03", True),
        ("YSA-2017-01", True),
        ("YSA-2017-01", False),
    ]
    keystead.terminate()
    shown = keystead.cli("fleet", "affected", "YSA-2024-03")["advisory"]["decision"]
    assert (shown["reason"], shown["by"]) == ("keys sign payments", decided["by"])
    assert shown["section"] == "Priority Support Schedule, 2(e)(i)"
