"""A service and its HSM, as processes: what is refused, what goes on, what comes back by itself."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from yubihsm.core import YubiHsm
from yubihsm.defs import CAPABILITY
from yubihsm.objects import AuthenticationKey

from hsm import credentials, manifest
from hsm.ceremony.perform import perform
from hsm.ceremony.reach import DEADLINE_S, Secrets
from hsm.device.address import device_at
from hsm.emulator.backend import EmulatorBackend
from hsm.emulator.core import Emulator
from hsm.emulator.wire.firmware import Firmware
from hsm.keyfile import create as create_key_file
from server.backup.archive import read_archive
from server.backup.recipients import create_identity, load_identities
from tests.connector import ConnectorThread, ceremony
from tests.keystead_process import KeysteadProcess
from tests.system.relying_party import RelyingParty
from tests.system.yubikeys import YubiKey, known_keys

ANYWHERE = ("--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0")


@pytest.fixture
def connector() -> Iterator[ConnectorThread]:
    with ConnectorThread(Emulator()) as made:
        yield made


@pytest.fixture
def keystead(tmp_path: Path, connector: ConnectorThread) -> Iterator[KeysteadProcess]:
    """Provide an installation on a device behind a connector, made by a ceremony."""
    host, held = ceremony(connector.url, tmp_path)
    with KeysteadProcess(tmp_path / "var") as service:
        service.init("--sandbox", *hsm_options(connector.url, host, held))
        yield service


def hsm_options(url: str, host: Path, held: Path) -> list[str]:
    return ["--hsm", url, "--host-secret", str(host), "--ceremony-secret", str(held)]


def verified(service: KeysteadProcess) -> str:
    return service.verify(service.sandbox["id"], service.otp()).status


def readiness(service: KeysteadProcess) -> Any:  # noqa: ANN401 - any JSON
    assert service.ready is not None
    return json.loads(service.get(f"{service.ready.ops_url}/readyz").text)


def imported_key(service: KeysteadProcess) -> YubiKey:
    """Bring a key in with the command that moves installations."""
    key = YubiKey()
    file = Path(f"{service.directory}.keys")
    file.write_text(key.ksm_line)
    service.cli("import", "--keys", str(file))
    file.unlink()
    return key


@pytest.mark.parametrize("workers", [1, 2])
def test_sealed_a_service_goes_on_without_its_hsm_and_says_so(
    keystead: KeysteadProcess, connector: ConnectorThread, workers: int
) -> None:
    keystead.start(workers=workers)
    assert verified(keystead) == "OK"
    connector.stop()
    keystead.wait_until(lambda: keystead.metrics()["keystead_hsm_up"] == 0)
    assert verified(keystead) == "OK"
    said = readiness(keystead)
    assert said["ready"]
    assert "cannot be reached" in said["notes"]["hsm"]
    connector.start()
    keystead.wait_until(lambda: keystead.metrics()["keystead_hsm_up"] == 1)
    assert readiness(keystead)["notes"] == {}


@pytest.mark.parametrize("workers", [1, 2])
def test_strict_without_the_hsm_is_backend_error_and_heals_by_itself(
    keystead: KeysteadProcess, connector: ConnectorThread, workers: int
) -> None:
    keystead.configure(f'[hsm]\nconnectors = ["{connector.url}"]\nmode = "strict"\n')
    keystead.start(workers=workers)
    (key,) = known_keys(keystead, 1)
    party = keystead.cli("client", "add", "strict")["id"]
    assert keystead.verify(party, key.press()).status == "OK"
    connector.stop()
    otp = key.press()
    assert keystead.verify(party, otp).status == "BACKEND_ERROR"
    keystead.wait_until(lambda: not readiness(keystead)["ready"])
    assert "cannot be reached" in readiness(keystead)["not_ready"]["hsm"]
    connector.start()
    keystead.wait_until(lambda: keystead.verify(party, key.press()).status == "OK")
    keystead.wait_until(lambda: bool(readiness(keystead)["ready"]))
    assert keystead.metrics()["keystead_worker_restarts"] == 0


def test_with_several_devices_it_shows_which_one_is_out(
    keystead: KeysteadProcess, connector: ConnectorThread
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        absent = f"http://127.0.0.1:{taken.getsockname()[1]}"
    keystead.configure(f'[hsm]\nconnectors = ["{connector.url}", "{absent}"]\n')
    keystead.start()
    serial = connector.emulator.device.identity.serial
    out = f'keystead_hsm_device_up{{address="{absent}",serial=""}}'
    keystead.wait_until(lambda: keystead.metrics()[out] == 0)
    there = f'keystead_hsm_device_up{{address="{connector.url}",serial="{serial}"}}'
    assert keystead.metrics()[there] == 1
    said = readiness(keystead)
    assert said["ready"]
    assert said["notes"]["hsm"].startswith(f"1 of 2 HSMs do no work: the HSM at {absent}")


def test_a_start_waits_for_the_hsm_alive_and_not_ready(
    keystead: KeysteadProcess, connector: ConnectorThread
) -> None:
    connector.stop()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ops = f"127.0.0.1:{taken.getsockname()[1]}"
    keystead.launch(ops_listen=ops)
    keystead.wait_until(lambda: "waiting_for_the_hsm" in keystead.log_text())
    assert keystead.get(f"http://{ops}/healthz").code == 200
    waiting = keystead.get(f"http://{ops}/readyz")
    assert (waiting.code, "HSM does not answer" in waiting.text) == (503, True)
    connector.start()
    keystead.await_ready()
    assert verified(keystead) == "OK"
    assert keystead.get(f"http://{ops}/readyz").code == 200


def test_a_service_that_waits_for_its_hsm_ends_when_told(
    keystead: KeysteadProcess, connector: ConnectorThread
) -> None:
    connector.stop()
    keystead.launch()
    keystead.wait_until(lambda: "waiting_for_the_hsm" in keystead.log_text())
    assert keystead.terminate() == 0


def test_a_command_does_not_wait_for_an_hsm_that_is_away(
    keystead: KeysteadProcess, connector: ConnectorThread
) -> None:
    connector.stop()
    ended = keystead.run("client", "list")
    assert ended.code == 1
    assert "cannot be reached" in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("mode", ["sealed", "strict"])
def test_an_emulated_hsm_in_the_data_directory_serves_both_modes(tmp_path: Path, mode: str) -> None:
    with KeysteadProcess(tmp_path / "var") as keystead:
        keystead.init("--sandbox")
        keystead.configure(f'[hsm]\nmode = "{mode}"\n')
        # In strict mode the process that reads an import's files asks the HSM, too.
        offline = imported_key(keystead)
        ready = keystead.start(workers=2)
        online = imported_key(keystead)
        (added,) = known_keys(keystead, 1)
        for key in (offline, online, added):
            assert keystead.verify(keystead.sandbox["id"], key.press()).status == "OK"
        assert verified(keystead) == "OK"
        info = [
            line
            for line in keystead.get(f"{ready.ops_url}/metrics").text.splitlines()
            if line.startswith("keystead_hsm_info{")
        ]
        assert len(info) == 1
        for label in ('genuine="false"', 'kind="emulator"', "KEYSTEAD-EMULATOR", f'mode="{mode}"'):
            assert label in info[0]
        assert "hsm_is_an_emulator" in keystead.log_text()
        found = {each["check"]: each for each in keystead.cli("doctor")}
        assert "emulator" in found["HSM"]["found"]


def test_production_refuses_an_emulator_wherever_it_is(
    keystead: KeysteadProcess, tmp_path: Path, connector: ConnectorThread
) -> None:
    with KeysteadProcess(tmp_path / "embedded") as embedded:
        embedded.init()
        embedded.configure('environment = "production"\n')
        refused = embedded.run("serve", *ANYWHERE)
        assert refused.code == 1
        assert "not proven to be a genuine YubiHSM 2 (emulator)" in refused.err
    (keystead.directory / "sandbox" / "virtual-yubikey").unlink()
    keystead.configure(f'environment = "production"\n[hsm]\nconnectors = ["{connector.url}"]\n')
    refused = keystead.run("serve", *ANYWHERE)
    assert refused.code == 1
    assert "not proven to be a genuine YubiHSM 2 (emulator)" in refused.err


def snapshot(directory: Path) -> dict[str, bytes]:
    """Return all that a refusal must not change."""
    kept = ("keystead.db", "secrets/hsm.key", "secrets/emulator", "keystead.toml")
    return {name: (directory / name).read_bytes() for name in kept if (directory / name).exists()}


def refused(service: KeysteadProcess, *words: str) -> None:
    """Hold that a start is refused in words, with its exit code, and changes nothing."""
    before = snapshot(service.directory)
    ended = service.run("serve", *ANYWHERE)
    assert ended.code == 1, ended.err
    assert "Traceback" not in ended.err
    for word in words:
        assert word in ended.err
    assert snapshot(service.directory) == before


def test_a_damaged_emulator_is_refused(tmp_path: Path) -> None:
    with KeysteadProcess(tmp_path / "var") as keystead:
        keystead.init()
        file = keystead.directory / "secrets" / "emulator"
        whole = file.read_bytes()
        for damaged in (whole[:-1], whole[:60] + bytes([whole[60] ^ 1]) + whole[61:], b""):
            file.write_bytes(damaged)
            refused(keystead, "secrets/emulator")
        file.unlink()
        refused(keystead, "secrets/emulator", "absent")
        file.write_bytes(whole)
        file.chmod(0o600)
        secret = keystead.directory / "secrets" / "hsm.key"
        text = secret.read_text()
        secret.write_text(text.replace(text[-3], "0" if text[-3] != "0" else "1"))
        refused(keystead, "hsm.key", "damaged")


def test_another_hosts_secret_is_refused_by_a_device(keystead: KeysteadProcess) -> None:
    other = credentials.HsmSecret.generate("host")
    (keystead.directory / "secrets" / "hsm.key").write_text(other.format())
    refused(keystead, "does not accept the credential")


def test_another_device_is_refused(keystead: KeysteadProcess, tmp_path: Path) -> None:
    """Made by the same secrets, it has keys of its own, which open nothing of this store."""
    with ConnectorThread(Emulator()) as other:
        host = credentials.load(tmp_path / "host.key", "host")
        held = credentials.load(tmp_path / "ceremony.key", "ceremony")
        perform(device_at(other.url, DEADLINE_S), manifest.validation(), Secrets(host, held))
        keystead.configure(f'[hsm]\nconnectors = ["{other.url}"]\n')
        refused(keystead, "wrapped by another device")


def test_something_else_at_the_connectors_address_is_refused(
    keystead: KeysteadProcess, tmp_path: Path
) -> None:
    with KeysteadProcess(tmp_path / "web") as something:
        something.init()
        ready = something.start()
        keystead.configure(f'[hsm]\nconnectors = ["{ready.ops_url}"]\n')
        ended = keystead.run("client", "list")
        assert ended.code == 1
        assert "none of a YubiHSM 2" in ended.err


def test_firmware_that_is_too_old_is_refused(tmp_path: Path) -> None:
    text = (Path(manifest.__file__).parent / "manifests" / "validation.toml").read_text()
    newer = tmp_path / "newer.toml"
    newer.write_text(text.replace('firmware = "2.2.0"', 'firmware = "2.4.1"'))
    with ConnectorThread(Emulator(Firmware.parse("2.3.1"))) as old:
        host, held = ceremony(old.url, tmp_path)
        with KeysteadProcess(tmp_path / "var") as keystead:
            keystead.init(*hsm_options(old.url, host, held))
            keystead.configure(f'[hsm]\nconnectors = ["{old.url}"]\nmanifest = "{newer}"\n')
            refused(keystead, "firmware is 2.3.1", "2.4.1 or newer")


def test_a_device_that_drifted_from_its_manifest_is_refused(
    keystead: KeysteadProcess, tmp_path: Path, connector: ConnectorThread
) -> None:
    admin = credentials.load(tmp_path / "ceremony.key", "ceremony").role_key("admin")
    role = manifest.validation().role("admin")
    session = YubiHsm(EmulatorBackend(connector.emulator)).create_session(role.id, *admin)
    # Whoever can open a second door on the device is an intruder.
    AuthenticationKey.put(
        session, 0x0042, "backdoor", 0xFFFF, CAPABILITY.ALL, CAPABILITY.ALL, bytes(16), bytes(16)
    )
    session.close()
    refused(keystead, "not as its manifest says", "0x0042")


def spellings(secret: bytes) -> list[bytes]:
    """Return how octets may lie in a file."""
    return [
        secret,
        secret.hex().encode(),
        secret.hex().upper().encode(),
        base64.b64encode(secret),
        base64.b64encode(base64.b64encode(secret)),
    ]


@pytest.mark.parametrize("mode", ["sealed", "strict"])
def test_s10_neither_a_copy_of_the_database_nor_a_backup_holds_a_secret(
    tmp_path: Path, mode: str
) -> None:
    identity = tmp_path / "identity"
    with KeysteadProcess(tmp_path / "var") as keystead:
        keystead.init()
        recipient = create_identity(identity)
        keystead.configure(f'[hsm]\nmode = "{mode}"\n')
        keystead.start()
        (key,) = known_keys(keystead, 1)
        party = RelyingParty.enrol(keystead, "canary")
        assert keystead.verify(party.client_id, key.press()).status == "OK"
        keystead.cli("backup", str(tmp_path / "backup"), "--recipient", recipient)
        _, _, private_id, aes_key, *_ = key.ksm_line.split(",")
        canaries = [bytes.fromhex(private_id), bytes.fromhex(aes_key)]
        canaries.append(base64.b64decode(party.api_key))
        copies = {path.name: path.read_bytes() for path in keystead.directory.glob("keystead.db*")}
        for member in read_archive(tmp_path / "backup", load_identities(identity)):
            copies[f"backup: {member.name}"] = member.content
        assert len(copies) > 10
        for name, content in copies.items():
            for canary in canaries:
                found = [spelling for spelling in spellings(canary) if spelling in content]
                assert not found, name
        # The secrets are not there either, so that nobody opens what is.
        names = [name for name in copies if "secrets" in name]
        assert not names


def test_s10_a_crash_leaves_no_core_dump(tmp_path: Path) -> None:
    if sys.platform != "linux":
        return  # si_code tells of dumps there
    with KeysteadProcess(tmp_path / "var") as keystead:
        keystead.init()
        command = ["sh", "-c", 'ulimit -c unlimited 2>/dev/null; exec "$@"', "sh"]
        process = subprocess.Popen(
            [*command, *keystead.command("serve", *ANYWHERE)],
            env=keystead.environment,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        assert process.stdout is not None
        try:
            assert process.stdout.readline().startswith(b"ready")
            process.send_signal(signal.SIGSEGV)
            ended = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            assert ended is not None
            assert (ended.si_status, ended.si_code) == (signal.SIGSEGV, os.CLD_KILLED)
        finally:
            process.kill()
            process.communicate()
        assert not [path for path in tmp_path.rglob("*core*") if path.is_file()]


def test_an_installation_with_a_key_file_goes_on_as_before(tmp_path: Path) -> None:
    secrets = tmp_path / "var" / "secrets"
    secrets.mkdir(mode=0o700, parents=True)
    secrets.parent.chmod(0o700)
    create_key_file(secrets / "sealing.key")
    with KeysteadProcess(tmp_path / "var") as keystead:
        keystead.init("--sandbox")
        keystead.start(workers=2)
        assert verified(keystead) == "OK"
        (key,) = known_keys(keystead, 1)
        assert keystead.verify(keystead.sandbox["id"], key.press()).status == "OK"
        assert readiness(keystead)["checks"] == ["store", "workers", "fence"]
        assert sorted(path.name for path in secrets.iterdir()) == ["journal.key", "sealing.key"]
        keystead.terminate()
        keystead.configure('[hsm]\nmode = "strict"\n')
        refused(keystead, "has none", "sealed by a key file")


def test_an_init_that_was_killed_is_completed_by_the_next(tmp_path: Path) -> None:
    """At whichever file it was: what is there is kept, what is missing is made."""
    made = ("keystead.db", "secrets/journal.key", "hsm-ceremony.json", "secrets/emulator")
    for lost in range(1, len(made) + 1):
        with KeysteadProcess(tmp_path / f"var{lost}") as keystead:
            keystead.init()
            secret = (keystead.directory / "secrets" / "hsm.key").read_bytes()
            for name in made[:lost]:
                (keystead.directory / name).unlink()
            assert keystead.init("--sandbox")["initialised"]
            assert (keystead.directory / "secrets" / "hsm.key").read_bytes() == secret
            keystead.start()
            assert verified(keystead) == "OK"


def test_workers_in_sealed_mode_do_not_load_the_hsms_library(tmp_path: Path) -> None:
    program = (
        "import sys, server.programs.worker, server.main, server.programs.import_reader;"
        " print(sorted(one for one in sys.modules if one.startswith(('yubihsm', 'hsm.device',"
        " 'hsm.emulator', 'hsm.manifest'))))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout.strip() == "[]"
