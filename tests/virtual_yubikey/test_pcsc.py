"""Virtual keys among the programs of a machine: a real daemon, and more than one client of it."""

import contextlib
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from smartcard import scard

from tests import pcsc_daemon
from tests.pcsc_client import PcscCard, PcscClient, PcscError
from tests.pcsc_daemon import PcscDaemon
from tests.virtual_yubikey.faults import OtherCard, altered, cut_short, garbage, pulled_after
from tests.virtual_yubikey.identity import (
    Identity,
    Transport,
    yubikey_4,
    yubikey_5_nfc,
    yubikey_5c_nfc,
)
from tests.virtual_yubikey.yubikey import VirtualYubiKey
from tests.ykman_program import ykman

MANAGEMENT = bytes.fromhex("00A4040008A000000527471117")
OATH = bytes.fromhex("00A4040007A0000005272101")
LIST = bytes.fromhex("00A1000000")
READ_CONFIG = bytes.fromhex("001D0000")
NEW = yubikey_5c_nfc(31234567)


@contextlib.contextmanager
def program(daemon: PcscDaemon, slot: int = 0, *, shared: bool = True) -> Iterator[PcscCard]:
    """Be a program that is connected to what is in a slot."""
    with PcscClient() as client, client.connect(daemon.reader(slot), shared=shared) as card:
        yield card


def flags(daemon: PcscDaemon) -> int:
    with PcscClient() as client:
        return client.state(daemon.reader())


def test_the_daemon_runs_without_privileges_and_in_a_place_of_its_own(daemon: PcscDaemon) -> None:
    status = Path(f"/proc/{daemon.pid}/status").read_text()
    user = next(line.split()[1] for line in status.splitlines() if line.startswith("Uid:"))
    assert int(user) != 0
    assert not os.environ["PCSCLITE_CSOCK_NAME"].startswith("/run/pcscd/")


def test_every_slot_is_a_reader(daemon: PcscDaemon) -> None:
    with PcscClient() as client:
        assert sorted(client.readers()) == sorted(daemon.reader(slot) for slot in range(4))


def test_clients_see_a_key_come_and_go(daemon: PcscDaemon) -> None:
    key = VirtualYubiKey(NEW)
    with PcscClient() as client:
        for _ in range(3):
            client.wait(daemon.reader(), present=False)
            with daemon.insert(key) as plug:
                client.wait(daemon.reader(), present=True)
                assert plug.inserted
            client.wait(daemon.reader(), present=False)
            assert not plug.inserted


@pytest.mark.parametrize("identity", [yubikey_4(4123456), NEW])
def test_the_answer_to_reset_is_the_product_lines(daemon: PcscDaemon, identity: Identity) -> None:
    key = VirtualYubiKey(identity)
    with daemon.insert(key), daemon.insert(VirtualYubiKey(NEW), 2):
        with program(daemon) as card:
            assert card.atr() == key.atr(Transport.USB)
        with program(daemon, 2) as card:
            assert card.atr() == key.atr(Transport.NFC)


def test_two_keys_answer_for_themselves(daemon: PcscDaemon) -> None:
    keys = [VirtualYubiKey(yubikey_5_nfc(16234567)), VirtualYubiKey(NEW)]
    with contextlib.ExitStack() as held:
        client = held.enter_context(PcscClient())
        for slot, key in enumerate(keys):
            held.enter_context(daemon.insert(key, slot))
        for slot, key in enumerate(keys):
            card = held.enter_context(client.connect(daemon.reader(slot)))
            card.transmit(MANAGEMENT)
            serial = (key.identity.serial or 0).to_bytes(4, "big")
            assert serial in card.transmit(READ_CONFIG)


def test_a_program_that_looks_at_another_application_disturbs_one_that_holds_its_own(
    daemon: PcscDaemon,
) -> None:
    # The trap that a polite agent has to avoid: nobody tells the one that is disturbed.
    with daemon.insert(VirtualYubiKey(NEW)), program(daemon) as card:
        assert card.transmit(OATH)[-2:] == b"\x90\x00"
        assert card.transmit(LIST) == b"\x90\x00"
        assert flags(daemon) & scard.SCARD_STATE_INUSE
        with program(daemon) as other:
            other.transmit(MANAGEMENT)
        assert card.transmit(LIST) == b"\x6d\x00"


def test_a_reset_tells_the_other_program_that_the_key_was_used(daemon: PcscDaemon) -> None:
    with daemon.insert(VirtualYubiKey(NEW)), program(daemon) as card:
        card.transmit(OATH)
        with PcscClient() as client:
            other = client.connect(daemon.reader())
            other.transmit(MANAGEMENT)
            other.disconnect(reset=True)
        with pytest.raises(PcscError) as told:
            card.transmit(LIST)
        assert told.value.code == scard.SCARD_W_RESET_CARD & 0xFFFFFFFF


def test_a_program_that_has_a_key_for_itself_shuts_others_out(daemon: PcscDaemon) -> None:
    with daemon.insert(VirtualYubiKey(NEW)), program(daemon, shared=False):
        assert flags(daemon) & scard.SCARD_STATE_EXCLUSIVE
        with pytest.raises(PcscError) as refused, program(daemon):
            pass
        assert refused.value.code == scard.SCARD_E_SHARING_VIOLATION & 0xFFFFFFFF
        with pytest.raises(AssertionError):
            ykman("oath", "info", reader=daemon.reader())


def test_ykman_reads_a_key_that_another_program_shares(daemon: PcscDaemon) -> None:
    with daemon.insert(VirtualYubiKey(NEW)), program(daemon) as card:
        card.transmit(OATH)
        assert "31234567" in ykman("info", reader=daemon.reader())


def test_a_key_pulled_while_it_is_asked_is_an_error_and_then_gone(daemon: PcscDaemon) -> None:
    plug = daemon.insert(VirtualYubiKey(NEW), distortion=pulled_after(1))
    answers: list[bytes] = []
    with PcscClient() as client, client.connect(daemon.reader()) as card:
        assert card.transmit(MANAGEMENT)[-2:] == b"\x90\x00"
        with pytest.raises(PcscError):
            # The driver's first answer then is empty, and called a success: clients beware.
            answers.extend(card.transmit(READ_CONFIG) for _ in range(3))
        client.wait(daemon.reader(), present=False)
    assert not any(answers)
    assert not plug.inserted


def test_answers_that_are_garbage_cut_short_or_altered_arrive_so(daemon: PcscDaemon) -> None:
    truth = VirtualYubiKey(NEW).transceive(MANAGEMENT)
    for distortion in (garbage(1), cut_short(5), altered(0xA4)):
        key = VirtualYubiKey(NEW)
        with daemon.insert(key, distortion=distortion), program(daemon) as card:
            assert card.transmit(MANAGEMENT) != truth
            assert key.traffic.exchanges()[0].answered == truth


def test_a_card_that_is_no_yubikey_knows_none_of_its_applications(daemon: PcscDaemon) -> None:
    card = OtherCard()
    with daemon.insert(card), program(daemon) as connected:
        assert connected.transmit(MANAGEMENT) == b"\x6a\x82"
        assert connected.transmit(READ_CONFIG) == b"\x6d\x00"
    assert len(card.traffic) == 2


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_daemon_that_ends_and_comes_back_is_found_by_a_new_context(
    daemon: PcscDaemon, how: signal.Signals
) -> None:
    key = VirtualYubiKey(NEW)
    daemon.insert(key)
    with PcscClient() as client:
        daemon.restart(how)
        with pytest.raises(PcscError):
            client.state(daemon.reader())
    with daemon.insert(key), program(daemon) as card:
        assert card.transmit(MANAGEMENT)[-2:] == b"\x90\x00"


def test_an_ended_daemon_leaves_nothing(daemon: PcscDaemon) -> None:
    place = Path(os.environ["PCSCLITE_CSOCK_NAME"]).parent
    process = daemon.pid
    assert place.is_dir()
    daemon.stop()
    assert not place.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    daemon.start()


def test_a_port_that_another_takes_meanwhile_is_changed_for_one_that_is_free(
    daemon: PcscDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = pcsc_daemon._free_ports
    daemon.stop()
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))  # noqa: S104 - where the driver listens
        taken.listen()
        ports = [taken.getsockname()[1]]
        monkeypatch.setattr(pcsc_daemon, "_free_ports", lambda: ports.pop() if ports else free())
        daemon.start()
    with daemon.insert(VirtualYubiKey(NEW)), program(daemon) as card:
        assert card.transmit(MANAGEMENT)[-2:] == b"\x90\x00"
