"""What is secret in a ceremony appears in nothing that leaves it."""

import logging
import traceback

import pytest

from hsm import startup
from hsm.ceremony.perform import Performance, perform
from hsm.ceremony.reach import Secrets, reach
from hsm.credentials import HsmSecret
from hsm.emulator.faults import Fault
from hsm.manifest import validation
from hsm.vault import VaultError
from tests.hsm.ceremony.conftest import Bench, Make

CANARY = "canary-of-the-factorys-password"


def canaries(secrets: Secrets) -> list[str]:
    """Return what must not appear, in each of the forms in which it could."""
    found = [CANARY]
    for secret in (secrets.host, secrets.ceremony):
        octets = [secret.reveal(), secret.store_key()]
        octets += [key for role in validation().roles for key in secret.role_key(role.name)]
        for one in octets:
            found += [one.hex(), repr(one)[2:-1], str(list(one))]
    return found


def test_s10_no_secret_is_in_a_transcript_a_log_or_a_repr(
    bench: Bench, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG):
        performance = Performance(bench.device, validation(), bench.secrets)
        transcript = performance.perform()
        reached = reach(bench.device, validation(), bench.secrets.ceremony, "password")
        report = startup.check(bench.device, validation(), bench.secrets.host)
    out = capfd.readouterr()
    shown = [transcript.format(), caplog.text, out.out, out.err]
    shown += [repr(one) for one in (bench.secrets, performance, reached, report, transcript)]
    for secret in canaries(bench.secrets):
        assert not any(secret in one for one in shown)


def test_s10_no_secret_is_in_an_error_wherever_it_happens(make: Make) -> None:
    seen = 0
    for before in range(0, 150, 2):
        bench = make()
        bench.mishaps.plan(*[None] * before, Fault.GARBLED)
        try:
            perform(bench.device, validation(), bench.secrets)
        except VaultError as error:
            told = "".join(traceback.format_exception(error))
            seen += 1
            assert not any(secret in told for secret in canaries(bench.secrets))
    assert seen > 20


def test_s10_a_wrong_password_is_not_repeated(bench: Bench) -> None:
    with pytest.raises(VaultError) as refused:
        Performance(bench.device, validation(), bench.secrets).perform(CANARY)
    assert CANARY not in "".join(traceback.format_exception(refused.value))


def test_the_canaries_are_recognised_where_they_are() -> None:
    secrets = Secrets(HsmSecret.generate("host"), HsmSecret.generate("ceremony"))
    assert any(one in secrets.host.format() for one in canaries(secrets))
