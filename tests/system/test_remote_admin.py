"""Administration over HTTPS by real commands, and S10: no token in anything a service writes."""

import json
import socket
from pathlib import Path

import pytest

from tests.keystead_process import KeysteadProcess
from tests.system.remote_admin import keep_token, open_door


def secret_of(token: str) -> str:
    return token.split("_", 2)[2]


@pytest.mark.parametrize("workers", [1, 2])
def test_the_commands_work_from_afar_as_they_do_here(tmp_path: Path, workers: int) -> None:
    with KeysteadProcess(tmp_path / "var") as keystead:
        keystead.init()
        door = open_door(keystead, tmp_path, workers=workers)
        boss = keep_token(
            tmp_path, "boss", keystead.cli("operator", "add", "boss", "--role", "admin")["token"]
        )
        customer = door.cli(
            boss, "customer", "add", "Example AB", "--entity", "ab", "--plan-from", "2026-02-15",
            "--validation", "--json",
        )  # fmt: skip
        assert customer.value["plan"] == {"from": "2026-02-15", "to": "2027-02-15"}
        number = str(customer.value["id"])
        made = door.cli(boss, "client", "add", "mail", "--customer", number, "--json")
        assert made.value["customer"] == customer.value["id"]
        assert made.value["api_key"]
        contact = door.cli(
            boss, "contact", "add", number, "Ann", "--email", "ann@example.org",
            "--kind", "security", "--kind", "billing", "--json",
        )  # fmt: skip
        assert contact.value["kinds"] == ["billing", "security"]
        accepted = door.cli(
            boss, "customer", "change", number, "--accepted", "2026-07", "--accepted-by", "Ann",
            "--json",
        )  # fmt: skip
        assert accepted.value["usage_requirements"]["by"] == "Ann"
        for words in (
            ("customer", "show", number),
            ("customer", "list"),
            ("contact", "list", number),
            ("operator", "list"),
            ("operator", "show", "boss"),
            ("client", "show", str(made.value["id"])),
            ("key", "list"),
        ):
            afar, here = door.cli(boss, *words, "--json"), keystead.run(*words, "--json")
            assert (afar.code, here.code) == (0, 0), afar.err + here.err
            assert afar.value == here.value
        verified = door.cli(boss, "journal", "verify", "--json")
        assert verified.code == 0, verified.err
        entries = keystead.cli("journal", "list", "--limit", "100")["entries"]
        by_action = {entry["action"]: entry["actor"] for entry in entries}
        assert by_action["operator.add"]["kind"] == "local"
        for action in ("customer.add", "client.add", "contact.add", "customer.accept"):
            assert by_action[action] == {"kind": "operator", "name": "boss"}
        assert keystead.terminate() == 0


def test_an_import_left_standing_at_one_door_is_ended_at_the_other(tmp_path: Path) -> None:
    with KeysteadProcess(tmp_path / "var") as keystead:
        keystead.init()
        door = open_door(keystead, tmp_path)
        token = keystead.cli("operator", "add", "ann", "--role", "operator")["token"]
        ann = keep_token(tmp_path, "ann", token)
        nothing = door.cli(ann, "import", "--end")
        assert (nothing.code, "nothing to end" in nothing.err) == (1, True)
        with socket.socket(socket.AF_UNIX) as slow:
            slow.settimeout(30.0)
            slow.connect(str(keystead.directory / "run" / "admin.sock"))
            slow.sendall(
                b"POST /api/v1/imports HTTP/1.1\r\nHost: x\r\nContent-Length: 9999\r\n\r\nkeys 0\n"
            )
            keystead.wait_until(lambda: door.cli(ann, "import", "--end").code == 0)
            assert slow.recv(65536).startswith(b"HTTP/1.1 408 ")
        (keys := tmp_path / "keys.csv").write_text("#\n")
        assert door.cli(ann, "import", "--keys", str(keys)).code == 0
        both = door.cli(ann, "import", "--end", "--keys", str(keys))
        assert (both.code, "stands alone" in both.err) == (2, True)


def test_an_operator_of_one_customer_finds_nothing_of_another(tmp_path: Path) -> None:
    with KeysteadProcess(tmp_path / "var") as keystead:
        keystead.init()
        for name in ("one", "two"):
            keystead.cli("customer", "add", name, "--entity", "inc")
        own = keystead.cli("client", "add", "own", "--customer", "1")["id"]
        other = keystead.cli("client", "add", "other", "--customer", "2")["id"]
        token = keystead.cli("operator", "add", "ann", "--role", "operator", "--customer", "1")
        door = open_door(keystead, tmp_path)
        ann = keep_token(tmp_path, "ann", token["token"])
        listed = door.cli(ann, "client", "list", "--json")
        assert [client["id"] for client in listed.value["clients"]] == [own]
        assert door.cli(ann, "client", "disable", str(own)).code == 0
        for words in (("client", "disable", str(other)), ("customer", "show", "2")):
            hidden = door.cli(ann, *words)
            absent = door.cli(ann, *words[:-1], "777")
            assert hidden.code == absent.code == 3
            assert hidden.err.replace(words[-1], "777") == absent.err
        assert keystead.cli("client", "show", str(other))["active"]
        assert door.cli(ann, "key", "list").code == 1


def test_s10_refused_tokens_of_every_kind_are_in_no_line_of_the_log(tmp_path: Path) -> None:
    with KeysteadProcess(tmp_path / "var") as keystead:
        keystead.init()
        door = open_door(
            keystead, tmp_path, '[log]\nlevel = "debug"\n[limits]\ntrusted_proxies = []\n'
        )
        good = keystead.cli("operator", "add", "ann", "--role", "viewer")["token"]
        revoked = keystead.cli("operator", "token", "ann")
        keystead.cli("operator", "token", "ann", "--revoke", str(revoked["token_number"]))
        off = keystead.cli("operator", "add", "bo", "--role", "admin")["token"]
        keystead.cli("operator", "disable", "bo")
        wrong = good[:-4] + ("AAAA" if good[-4:] != "AAAA" else "BBBA")
        said = ""
        for token, words in (
            (revoked["token"], "revoked"),
            (off, "disabled"),
            (wrong, "not one of ours"),
            ("rubbish-canary", "not one of ours"),
        ):
            answer = door.ask(token, "GET", "/self")
            assert answer.code == 401
            assert words in json.loads(answer.text)["detail"]
            said += answer.text
        forbidden = door.ask(good, "POST", "/clients", {"name": "c"})
        assert forbidden.code == 403
        said += forbidden.text + door.ask(good, "GET", f"/{good}").text
        said += door.ask(good, "GET", f"/clients?after={good}").text
        for _ in range(12):
            locked = door.ask(wrong, "GET", "/self")
        assert locked.code == 429
        assert door.ask(good, "GET", "/self").code == 200  # it was right before
        assert door.ask(off, "GET", "/self").code == 429
        keystead.terminate()
        said += keystead.log_text() + keystead.out_file.read_text()
        for token in (good, revoked["token"], off, wrong):
            assert secret_of(token) not in said
        assert "rubbish-canary" not in said
        database = (keystead.directory / "keystead.db").read_bytes()
        for token in (good, revoked["token"], off):
            assert secret_of(token).encode() not in database


def test_a_token_goes_over_https_only_from_a_private_file_to_the_right_host(
    tmp_path: Path,
) -> None:
    with KeysteadProcess(tmp_path / "var") as keystead:
        keystead.init()
        door = open_door(keystead, tmp_path)
        token = keystead.cli("operator", "add", "ann", "--role", "admin")["token"]
        file = keep_token(tmp_path, "ann", token)
        plain = door._replace(url=door.url.replace("https", "http"))
        assert "HTTPS only" in plain.cli(file, "client", "list").err
        stranger = keystead.run(
            "client", "list", "--url", door.url, "--token-file", str(file), data=False
        )
        assert stranger.code == 4
        assert "--ca" in stranger.err
        alone = keystead.run("client", "list", "--url", door.url, data=False)
        assert (alone.code, "--token-file" in alone.err) == (2, True)
        both = door.keystead.run(
            "client", "list", "--url", door.url, "--token-file", str(file), data=True
        )
        assert (both.code, "--data" in both.err) == (2, True)
        file.chmod(0o640)
        opened = door.cli(file, "client", "list")
        assert opened.code == 1
        assert "chmod 600" in opened.err
        absent = door.cli(tmp_path / "none", "client", "list")
        assert (absent.code, "is absent" in absent.err) == (1, True)
        for ended in (plain.cli(file, "key", "list"), stranger, alone, opened, absent):
            assert secret_of(token) not in ended.err + ended.out


def test_the_door_is_shut_unless_it_is_wanted_and_has_a_certificate(tmp_path: Path) -> None:
    with KeysteadProcess(tmp_path / "var") as keystead:
        keystead.init()
        assert keystead.start().admin_url == ""
        keystead.terminate()
        keystead.launch(options=("--admin-listen", "127.0.0.1:0"))
        assert keystead.wait() == 1
        assert "listen.admin speaks HTTPS only" in keystead.log_text()


def test_without_a_service_operators_are_made_on_the_store_itself(tmp_path: Path) -> None:
    with KeysteadProcess(tmp_path / "var") as keystead:
        keystead.init()
        issued = keystead.cli(
            "operator", "add", "ann", "--role", "viewer", "--expires", "2027-01-31T12:00:00Z"
        )
        assert issued["token_expires"] == "2027-01-31T12:00:00Z"
        again = keystead.run("operator", "add", "ann", "--role", "viewer")
        assert (again.code, "only once" in again.err) == (1, True)
        shown = keystead.run("operator", "show", "ann")
        assert secret_of(issued["token"]) not in shown.out
