"""`keystead serve` in one process, end to end, with the commands that work beside it."""

import base64
import re
import secrets
import shlex
import socket
import stat
import subprocess
from pathlib import Path

from tests.keystead_process import KeysteadProcess

KSM_LINE = "1,cccccccccccb,0102030405aa,000102030405060708090a0b0c0d0e0f,000000000000,,\n"


def sandbox_client(running: KeysteadProcess) -> int:
    client_id: int = running.sandbox["id"]
    return client_id


def test_one_line_says_ready_and_where(running: KeysteadProcess) -> None:
    assert running.ready is not None
    assert re.fullmatch(
        r"ready verify=http://127\.0\.0\.1:\d+/wsapi/2\.0/verify ops=http://127\.0\.0\.1:\d+"
        r" workers=1 store=sqlite",
        running.ready.line,
    )


def test_the_command_to_copy_validates_an_otp(running: KeysteadProcess) -> None:
    text = running.out_file.read_text()
    (command,) = re.findall(
        r'curl -s "(\S+)&nonce=\$\(openssl rand -hex 16\)&otp=\$\((.*)\)"', text
    )
    url, otp_command = command
    typed = subprocess.run(
        shlex.split(otp_command),
        env=running.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    answer = running.get(f"{url}&nonce={secrets.token_hex(16)}&otp={typed.stdout.strip()}")
    assert (answer.code, answer.status) == (200, "OK")


def test_an_otp_validates_once_and_is_counted(running: KeysteadProcess) -> None:
    before = running.responses("OK"), running.responses("REPLAYED_OTP")
    otp = running.otp()
    answer = running.verify(sandbox_client(running), otp)
    assert answer.status == "OK"
    assert answer.fields["otp"] == otp
    assert running.verify(sandbox_client(running), otp).status == "REPLAYED_OTP"
    assert (running.responses("OK"), running.responses("REPLAYED_OTP")) == (
        before[0] + 1,
        before[1] + 1,
    )


def test_health_and_readiness(running: KeysteadProcess) -> None:
    assert running.ready is not None
    assert running.get(f"{running.ready.ops_url}/healthz").code == 200
    assert running.get(f"{running.ready.ops_url}/readyz").code == 200


def test_a_second_start_is_refused_naming_the_process(running: KeysteadProcess) -> None:
    ended = running.run("serve", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0")
    assert ended.code == 1
    assert f"in use by process {running.pid}" in ended.err
    assert ended.out == ""


def test_clients_are_managed_while_it_runs(running: KeysteadProcess) -> None:
    client = running.cli("client", "add", "Example Corp")
    assert isinstance(client["id"], int)
    assert len(base64.b64decode(client["api_key"], validate=True)) == 20
    client_id = client["id"]
    assert running.verify(client_id, running.otp()).status == "OK"

    limited = running.cli("client", "limit", str(client_id), "--rate", "1", "--burst", "1",
                          "--per-day", "5", "--reason", "a trial", "--expires",
                          "2099-01-01T00:00:00Z")  # fmt: skip
    assert limited["limit"]["burst"] == 1
    assert limited["limit"]["reason"] == "a trial"
    statuses = [running.verify(client_id, running.otp()) for _ in range(8)]
    assert 429 in {answer.code for answer in statuses}
    assert running.cli("client", "limit", str(client_id), "--default")["limit"] is None
    assert running.verify(client_id, running.otp()).status == "OK"

    assert running.cli("client", "disable", str(client_id))["active"] is False
    assert running.verify(client_id, running.otp()).status == "OPERATION_NOT_ALLOWED"
    assert running.cli("client", "enable", str(client_id))["active"] is True
    assert running.verify(client_id, running.otp()).status == "OK"

    assert running.cli("client", "set", str(client_id), "--signed-only")["signed_only"] is True
    assert running.verify(client_id, running.otp()).status == "BAD_SIGNATURE"

    rotated = running.cli("client", "rotate", str(client_id))
    assert rotated["api_key"] != client["api_key"]
    assert len(rotated["api_keys"]) == 2
    assert len(running.cli("client", "rotate", str(client_id), "--finish")["api_keys"]) == 1
    assert running.cli("client", "show", str(client_id))["name"] == "Example Corp"
    assert client_id in [each["id"] for each in running.cli("client", "list")["clients"]]


def test_keys_are_managed_while_it_runs(running: KeysteadProcess, tmp_path: Path) -> None:
    file = tmp_path / "keys.csv"
    file.write_text(KSM_LINE)
    assert running.cli("key", "import", str(file), "--format", "ksm") == {"imported": 1}
    key = running.cli("key", "disable", "cccccccccccb")
    assert key["active"] is False
    assert running.cli("key", "enable", "cccccccccccb")["active"] is True
    assert running.cli("key", "show", "cccccccccccb")["public_id"] == "cccccccccccb"
    listed = running.cli("key", "list")["keys"]
    assert "cccccccccccb" in [each["public_id"] for each in listed]


def test_keys_are_imported_from_standard_input_and_may_have_no_public_id(
    running: KeysteadProcess,
) -> None:
    line = "2,,0102030405ab,100102030405060708090a0b0c0d0e0f,000000000000,,\n"
    assert running.cli("key", "import", "-", "--format", "ksm", stdin=line) == {"imported": 1}
    assert running.cli("key", "show", "-")["public_id"] == ""


def test_a_wrong_line_changes_nothing_and_is_named(running: KeysteadProcess) -> None:
    lines = "3,cccccccccccd,0102030405aa,000102030405060708090a0b0c0d0e0f,0,,\nnonsense\n"
    ended = running.run("key", "import", "-", stdin=lines)
    assert ended.code == 1
    assert "line 2" in ended.err
    assert running.run("key", "show", "cccccccccccd").code == 3


def test_disabling_a_key_holds_at_once(running: KeysteadProcess) -> None:
    public_id = running.sandbox["public_id"]
    running.cli("key", "disable", public_id)
    try:
        assert running.verify(sandbox_client(running), running.otp()).status == "BAD_OTP"
    finally:
        running.cli("key", "enable", public_id)
    assert running.verify(sandbox_client(running), running.otp()).status == "OK"


def test_what_does_not_exist_is_exit_code_3(running: KeysteadProcess) -> None:
    for arguments in (("client", "show", "999"), ("client", "disable", "999"),
                      ("key", "disable", "cccccccccccf")):  # fmt: skip
        ended = running.run(*arguments)
        assert ended.code == 3
        assert "there is no client" in ended.err or "no key" in ended.err


def test_wrong_usage_is_exit_code_2(running: KeysteadProcess) -> None:
    for arguments in (("client", "show", "x"), ("client", "limit", "1"), ("client", "set", "1"),
                      ("client", "limit", "1", "--default", "--rate", "3"), ("nonsense",),
                      ("key", "import", "-", "--format", "xml")):  # fmt: skip
        assert running.run(*arguments).code == 2


def test_s11_names_cannot_steer_a_terminal(running: KeysteadProcess) -> None:
    running.cli("client", "add", "Zoë & Söhne")
    listed = running.run("client", "list")
    assert "Zoë & Söhne" in listed.out
    ended = running.run("client", "show", "1", "--reason\x1b[2J")
    assert ended.code == 2
    missing = running.run("key", "import", "/nowhere/\x1b[2Jx")
    assert missing.code == 1
    assert "\x1b" not in missing.err


def test_the_admin_socket_and_the_directories_are_private(running: KeysteadProcess) -> None:
    def mode(path: Path) -> int:
        return stat.S_IMODE(path.stat().st_mode)

    assert mode(running.directory) == 0o700
    assert mode(running.directory / "run") == 0o700
    assert mode(running.directory / "run" / "admin.sock") == 0o600
    assert mode(running.directory / "secrets" / "hsm.key") == 0o600
    assert mode(running.directory / "sandbox" / "virtual-yubikey") == 0o600


def test_the_process_leaves_no_core_file_and_lets_nobody_look_in(running: KeysteadProcess) -> None:
    if not Path("/proc/self/limits").exists():
        return  # another system shows neither from outside
    limits = Path(f"/proc/{running.pid}/limits").read_text()
    assert re.search(r"Max core file size\s+0\s+0\s", limits)
    # A process that cannot be dumped belongs to root in /proc, whoever runs it.
    assert Path(f"/proc/{running.pid}/mem").stat().st_uid == 0


def test_s10_no_secret_is_in_the_command_line_the_environment_or_the_log(
    running: KeysteadProcess,
) -> None:
    otp = running.otp()
    running.verify(sandbox_client(running), otp)
    running.verify(sandbox_client(running), otp)
    api_key = running.sandbox["api_key"]
    secret = (running.directory / "secrets" / "hsm.key").read_text().split()[-1]
    for text in (running.log_text(), running.out_file.read_text()):
        assert otp[-32:] not in text
        assert api_key not in text
        assert secret not in text
    for line in running.log_text().splitlines():
        assert line.startswith("{"), line


def test_the_configuration_is_checked_and_shown(running: KeysteadProcess) -> None:
    assert running.cli("config", "check")["limits"]["rate"] == 10
    assert "[limits]" in running.run("config", "check").out


def test_the_doctor_finds_a_running_service_well(running: KeysteadProcess) -> None:
    findings = {each["check"]: each for each in running.cli("doctor")}
    assert findings["service"]["found"] == f"process {running.pid} runs and answers"
    assert findings["schema"]["grade"] == "ok"
    assert "one was opened" in findings["stored records"]["found"]
    assert "fail" not in {each["grade"] for each in findings.values()}


def test_sigterm_ends_it_gracefully_and_it_starts_again(keystead: KeysteadProcess) -> None:
    made = keystead.init("--sandbox")["sandbox"]
    keystead.start()
    otp = keystead.otp()
    assert keystead.verify(made["id"], otp).status == "OK"
    assert keystead.terminate() == 0
    assert [line["event"] for line in keystead.logs()][-1] == "stopped"
    assert not (keystead.directory / "run" / "admin.sock").exists()
    keystead.start()
    assert keystead.responses("OK") == 0
    assert keystead.verify(made["id"], otp).status == "REPLAYED_OTP"
    assert keystead.verify(made["id"], keystead.otp()).status == "OK"


def test_after_a_crash_it_starts_again_and_remembers(keystead: KeysteadProcess) -> None:
    made = keystead.init("--sandbox")["sandbox"]
    ready = keystead.start()
    otp = keystead.otp()
    assert keystead.verify(made["id"], otp).status == "OK"
    keystead.kill()
    keystead.start(listen=ready.verify_url.split("/")[2])
    assert keystead.verify(made["id"], otp).status == "REPLAYED_OTP"


def test_a_port_that_is_taken_is_named(keystead: KeysteadProcess) -> None:
    keystead.init()
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        for workers in ("1", "2"):
            ended = keystead.run("serve", "--listen", address, "--workers", workers)
            assert ended.code == 1
            assert f"another program listens on {address}" in ended.err
            assert "--listen" in ended.err


def test_a_password_in_the_url_is_refused_naming_the_passfile(keystead: KeysteadProcess) -> None:
    keystead.init()
    ended = keystead.run("serve", "--database", "postgresql://a:hunter2@localhost/x")
    assert ended.code == 1
    assert ".pgpass" in ended.err
    assert "hunter2" not in ended.err


def test_a_database_that_vanished_is_not_replaced_by_an_empty_one(
    keystead: KeysteadProcess,
) -> None:
    keystead.init()
    (keystead.directory / "keystead.db").unlink()
    ended = keystead.run("serve", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0")
    assert ended.code == 1
    assert "init" in ended.err
    assert not (keystead.directory / "keystead.db").exists()


def test_another_hosts_secret_is_refused_and_another_hsm_too(
    keystead: KeysteadProcess, tmp_path: Path
) -> None:
    keystead.init()
    before = (keystead.directory / "keystead.db").read_bytes()
    names = ("hsm.key", "emulator")
    with KeysteadProcess(tmp_path / "other") as other:
        other.init()
        for name, said in zip(names, ("does not open", "another device"), strict=True):
            theirs = other.directory / "secrets" / name
            theirs.replace(keystead.directory / "secrets" / name)
            ended = keystead.run("serve", "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0")
            assert ended.code == 1
            assert said in ended.err
            assert "Traceback" not in ended.err
    findings = {each["check"]: each for each in keystead.run("doctor", "--json").value}
    assert findings["stored records"]["grade"] == "fail"
    assert (keystead.directory / "keystead.db").read_bytes() == before


def test_a_data_directory_with_a_very_long_path_works(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    with KeysteadProcess(deep / "var") as keystead:
        keystead.init("--sandbox")
        keystead.start()
        assert keystead.cli("client", "add", "deep")["id"] == 2


def test_a_log_level_is_obeyed(keystead: KeysteadProcess) -> None:
    keystead.init()
    keystead.configure('[log]\nlevel = "error"\n')
    keystead.start()
    assert keystead.terminate() == 0
    assert keystead.logs() == []


def test_a_directory_open_to_others_is_refused(keystead: KeysteadProcess) -> None:
    keystead.init()
    keystead.directory.chmod(0o755)
    ended = keystead.run("serve")
    assert ended.code == 1
    assert "chmod 700" in ended.err
    keystead.directory.chmod(0o700)


def test_production_refuses_a_sandbox(keystead: KeysteadProcess) -> None:
    keystead.init("--sandbox")
    keystead.configure('environment = "production"\n')
    ended = keystead.run("serve")
    assert ended.code == 1
    assert "virtual YubiKey" in ended.err


def test_help_names_every_command_and_exit_code(keystead: KeysteadProcess) -> None:
    ended = subprocess.run(
        keystead.command("--help")[:-2],
        env=keystead.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    for word in ("init", "serve", "otp", "client", "key", "store", "config", "doctor"):
        assert f"  {word} " in ended.stdout
    assert "4 the service does not answer" in re.sub(r"\s+", " ", ended.stdout)
