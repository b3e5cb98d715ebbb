"""Files of advisories by command: made and signed by one, loaded and believed by another."""

import json
import stat
from importlib import resources
from pathlib import Path

import pytest

from server.fleet.advisory_file import verify
from server.programs.cli import main
from tests.keystead_process import KeysteadProcess

PHRASE = "correct horse battery staple"


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of who signs: a key that is encrypted, and its passphrase."""
    directory = tmp_path_factory.mktemp("signer")
    phrase = directory / "phrase"
    phrase.touch(mode=0o600)
    phrase.write_text(PHRASE + "\n")
    return directory


def made(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["fleet", "advisories", *arguments]) == 0
    return capsys.readouterr().out


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["fleet", "advisories", *arguments]) == 1
    return capsys.readouterr().err


def document(path: Path, edition: int, **changes: object) -> Path:
    text = resources.files("server.fleet").joinpath("advisories.json").read_text("utf-8")
    path.write_text(json.dumps(json.loads(text) | {"edition": edition} | changes))
    return path


def public_key(signer: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """Make the key, once, and return its public half."""
    key, told = signer / "key", signer / "public.json"
    if not told.exists():
        phrase = ("--passphrase-file", str(signer / "phrase"))
        told.write_text(made(capsys, "keygen", "--key", str(key), *phrase, "--json"))
    public: str = json.loads(told.read_text())["public_key"]
    return public


def signed(
    signer: Path, edition: int, capsys: pytest.CaptureFixture[str], **changes: object
) -> Path:
    public_key(signer, capsys)
    out = signer / f"{edition}.signed.json"
    if not out.exists():
        source = document(signer / f"{edition}.json", edition, **changes)
        key = ("--key", str(signer / "key"), "--passphrase-file", str(signer / "phrase"))
        said = made(capsys, "sign", str(source), *key, "--out", str(out))
        assert f"edition {edition}" in said
    return out


def test_a_key_is_private_encrypted_and_never_replaced(
    signer: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    public = public_key(signer, capsys)
    key = signer / "key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert key.read_bytes().startswith(b"age-encryption.org/v1\n")
    assert b"PRIVATE" not in key.read_bytes()
    before = key.read_bytes()
    again = ("keygen", "--key", str(key), "--passphrase-file", str(signer / "phrase"))
    assert "exists already" in refused(capsys, *again)
    assert key.read_bytes() == before
    file = verify(signed(signer, 3, capsys).read_bytes(), [bytes.fromhex(public)])
    assert file.edition == 3


def test_a_key_can_be_left_to_what_encrypts_the_machine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key = tmp_path / "key"
    told = made(capsys, "keygen", "--key", str(key), "--plain")
    assert "advisory_keys = [" in told
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    out = tmp_path / "out.json"
    made(
        capsys, "sign", str(document(tmp_path / "d.json", 4)), "--key", str(key), "--out", str(out)
    )
    assert "File exists" in refused(
        capsys, "sign", str(tmp_path / "d.json"), "--key", str(key), "--out", str(out)
    )


def test_what_cannot_be_signed_or_with_what_is_told(
    signer: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    public_key(signer, capsys)
    out = ("--out", str(tmp_path / "out.json"))
    key = ("--key", str(signer / "key"))
    phrase = tmp_path / "phrase"
    phrase.touch(mode=0o600)
    phrase.write_text("not that one at all")
    good = str(document(tmp_path / "good.json", 5))
    wrong = ("--passphrase-file", str(phrase))
    assert "passphrase" in refused(capsys, "sign", good, *key, *wrong, *out)
    right = ("--passphrase-file", str(signer / "phrase"))
    odd = str(document(tmp_path / "odd.json", 0))
    assert "editions count from 1" in refused(capsys, "sign", odd, *key, *right, *out)
    assert "No such file" in refused(capsys, "sign", str(tmp_path / "no"), *key, *right, *out)
    phrase.write_text("short")
    new = ("keygen", "--key", str(tmp_path / "new"), *wrong)
    assert "12 characters" in refused(capsys, *new)
    phrase.chmod(0o644)
    assert "0600" in refused(capsys, *new) or "chmod" in refused(capsys, *new)
    assert not (tmp_path / "new").exists()
    assert not (tmp_path / "out.json").exists()


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
    keystead: KeysteadProcess, signer: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    third, fourth = (str(signed(signer, number, capsys)) for number in (3, 4))
    rules = tmp_path / "health.toml"
    rules.write_text(RULES.replace("device.usb.enabled", "device.usb.enable"))
    keystead.init()
    keystead.configure(
        f'[fleet]\nadvisory_keys = ["{public_key(signer, capsys)}"]\nhealth_rules = "{rules}"\n'
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
    assert keystead.cli("fleet", "advisories")["edition"] == 3
    listed = {one["name"]: one for one in keystead.cli("fleet", "rules")["rules"]}
    assert (listed["own-no-otp"]["level"], listed["own-no-otp"]["own"]) == ("notice", True)
    loaded = keystead.cli("fleet", "advisories", "load", fourth, "--reason", "the new one")
    assert (loaded["edition"], [one["edition"] for one in loaded["files"]]) == (4, [3, 4])
    assert loaded["key"] == json.loads((signer / "public.json").read_text())["key"]
    older = keystead.run("fleet", "advisories", "load", third)
    assert (older.code, "edition 4 stands" in older.err) == (1, True)

    decided = keystead.cli("fleet", "critical", "YSA-2024-03", "--reason", "keys sign payments")
    assert (decided["critical"], decided["edition"]) == (True, 4)
    keystead.terminate()
    shown = keystead.cli("fleet", "affected", "YSA-2024-03")["advisory"]["decision"]
    assert (shown["reason"], shown["by"]) == ("keys sign payments", decided["by"])
    assert shown["section"] == "Priority Support Schedule, 2(e)(i)"
    taken = keystead.cli(
        "fleet", "critical", "YSA-2024-03", "--withdraw", "--reason", "all swapped"
    )
    assert taken["critical"] is False
    history = keystead.cli("fleet", "decisions")["decisions"]
    assert [(one["critical"], one["reason"]) for one in history] == [
        (True, "keys sign payments"),
        (False, "all swapped"),
    ]
