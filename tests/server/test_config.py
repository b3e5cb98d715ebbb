"""What the configuration accepts, and that its errors tell an operator where and what."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.address import Address
from server.config import Config
from server.configfile import ConfigError, Override, load, parse, to_toml
from validation.gcra import UNLIMITED, Rate


def problems(text: str, *overrides: Override) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text, "keystead.toml", overrides)
    return list(caught.value.problems)


def test_an_empty_file_is_the_defaults() -> None:
    config = parse("", "keystead.toml")
    assert config == Config()
    assert config.listen.verify_address == Address("127.0.0.1", 8080)
    assert config.store.is_sqlite
    assert config.limits.default_policy.burst == Rate.per_second(10, 50)
    assert config.limits.default_policy.day == UNLIMITED


def test_an_absent_file_is_the_defaults(tmp_path: Path) -> None:
    assert load(tmp_path / "keystead.toml") == Config()


def test_the_effective_configuration_loads_to_itself() -> None:
    text = """
        environment = "production"
        workers = 3
        [listen]
        verify = "[::1]:80"
        [store]
        database = "postgresql://keystead@db/keystead?passfile=/etc/keystead/pgpass"
        replicas = 2
        commit_waits_for = 1
        [limits]
        per_day = 5
        trusted_proxies = ["10.0.0.0/8", "2001:db8::/32"]
    """
    config = parse(text, "keystead.toml")
    assert config.store.sync_level == 50
    assert config.limits.default_policy.day == Rate.per_day(5)
    assert parse(to_toml(config), "printed") == config
    assert Config.model_validate(config.model_dump(mode="json")) == config


def test_a_wrong_value_is_named_with_file_line_key_and_remedy() -> None:
    (problem,) = problems('workers = 1\n\n[limits]\nburst = 5\nrate = "ten"\n')
    assert problem.startswith("keystead.toml:5: limits.rate: ")
    assert "valid integer" in problem
    assert "rate = 10" in problem


def test_all_faults_are_told_at_once() -> None:
    assert len(problems('[limits]\nrate = 0\nburst = -1\n[log]\nlevel = "loud"\n')) == 3


def test_an_unknown_key_is_refused_and_the_near_one_named() -> None:
    (problem,) = problems("[limits]\nrate = 5\nbrust = 7\n")
    assert problem == (
        "keystead.toml:3: limits.brust: there is no such setting. Did you mean burst?"
    )


def test_an_unknown_table_is_refused() -> None:
    (problem,) = problems("[limit]\nrate = 5\n")
    assert problem.startswith("keystead.toml:1: limit: there is no such setting. Did you mean")


def test_an_unknown_key_that_resembles_nothing_lists_what_there_is() -> None:
    (problem,) = problems("[log]\nzzz = 1\n")
    assert problem.endswith("Known here: level")


def test_a_value_where_a_table_belongs_is_refused() -> None:
    (problem,) = problems("limits = 3\n")
    assert problem.startswith("keystead.toml:1: limits: ")
    assert "It is a table" in problem


def test_text_that_is_no_toml_is_named_with_its_line() -> None:
    (problem,) = problems("workers = 1\n[limits\n")
    assert problem.startswith("keystead.toml:2: not TOML: ")


def test_octets_that_are_no_text_are_named_with_their_line(tmp_path: Path) -> None:
    file = tmp_path / "keystead.toml"
    file.write_bytes(b"workers = 1\n# \xff\n")
    with pytest.raises(ConfigError, match=r"keystead\.toml:2: not UTF-8"):
        load(file)


def test_a_file_without_end_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "keystead.toml"
    file.write_bytes(b"#" * (2 << 20))
    with pytest.raises(ConfigError, match="larger than"):
        load(file)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://keystead:hunter2@db/keystead",
        "postgresql://keystead@db/keystead?password=hunter2",
    ],
)
def test_a_password_in_the_url_is_refused_naming_the_passfile_and_not_the_password(
    url: str,
) -> None:
    (problem,) = problems(f'[store]\ndatabase = "{url}"\n')
    assert "~/.pgpass" in problem
    assert "passfile=" in problem
    assert "hunter2" not in problem


def test_an_override_is_named_by_its_option() -> None:
    override = Override(("listen", "verify"), "8080", "--listen")
    (problem,) = problems('[listen]\nverify = "127.0.0.1:1"\n', override)
    assert problem.startswith("--listen: listen.verify: ")
    assert "HOST:PORT" in problem


def test_an_override_outranks_the_file() -> None:
    override = Override(("workers",), 4, "--workers")
    assert parse("workers = 2", "keystead.toml", [override]).workers == 4


def test_an_override_of_a_table_that_is_none_leaves_the_file_to_be_blamed() -> None:
    override = Override(("listen", "verify"), "127.0.0.1:1", "--listen")
    (problem,) = problems("listen = 3\n", override)
    assert problem.startswith("keystead.toml:1: listen: ")


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:0", "127.0.0.1", 0),
        ("[::1]:65535", "::1", 65535),
        ("keystead.example.org:443", "keystead.example.org", 443),
    ],
)
def test_addresses_are_read_and_printed(text: str, host: str, port: int) -> None:
    assert Address.parse(text) == (host, port)
    assert str(Address.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["", "8080", ":8080", "host:", "host:x", "::1:80", "h:65536", "h:²"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"address|port"):
        Address.parse(text)


def test_commits_without_replicas_are_complete_by_definition() -> None:
    assert Config().store.sync_level == 100


@given(st.text(max_size=200))
def test_no_text_breaks_the_reader(text: str) -> None:
    with suppress(ConfigError):
        parse(text, "keystead.toml")


def test_decrypting_for_certificates_needs_an_authority_for_them() -> None:
    (problem,) = problems('[verify]\ndecrypt = "mutual-tls"\n')
    assert "client_ca" in problem
    files = 'certificate = "/c.pem"\nkey = "/k.pem"\nclient_ca = "/ca.pem"\n'
    config = parse(f'[verify]\ndecrypt = "mutual-tls"\n[tls]\n{files}', "keystead.toml")
    assert config.verify.decrypt == "mutual-tls"


def test_strict_mode_refuses_more_workers_than_a_device_has_sessions_for() -> None:
    (problem,) = problems('workers = 6\n[hsm]\nmode = "strict"\n')
    assert "sixteen" in problem
    assert parse('workers = 5\n[hsm]\nmode = "strict"\n', "keystead.toml").workers == 5
    assert parse("workers = 64\n", "keystead.toml").workers == 64


_LAPTOPS_REPORT = '[listen]\nfleet = "127.0.0.1:8082"\n'
_POSTGRESQL = '[store]\ndatabase = "postgresql://keystead@db/keystead"\n'


@pytest.mark.parametrize("text", ["", _LAPTOPS_REPORT, _POSTGRESQL])
def test_one_worker_is_the_only_process(text: str) -> None:
    assert not parse(text, "keystead.toml").verifies_apart


@pytest.mark.parametrize("text", ["workers = 2\n", _LAPTOPS_REPORT + _POSTGRESQL])
def test_several_workers_verify_apart_and_one_does_from_reports_on_postgresql(text: str) -> None:
    assert parse(text, "keystead.toml").verifies_apart
