"""Readers, drivers and other programs that do what none should, at a real PC/SC daemon."""

import random
import threading
from collections.abc import Mapping
from typing import Self

import pytest
from smartcard import scard

from agent.backoff import Backoff
from agent.findings import Findings
from agent.pcsc import PcscCards, PcscReaders
from agent.ports import PcscAwayError, ReaderState
from agent.prober import Prober
from agent.watcher import Watcher
from tests.agent.pcsc_helpers import attached, other_program, until
from tests.agent.simulated import NoDevices
from tests.pcsc_daemon import USB_READER, PcscDaemon
from tests.virtual_yubikey.identity import yubikey_5c_nfc
from tests.virtual_yubikey.yubikey import VirtualYubiKey

NO_TEXT = "Yubico YubiKey \udcff\udcfe"


class Watched:
    """What a watcher of the real readers has seen."""

    def __init__(self) -> None:
        self.looks = list[Mapping[str, ReaderState]]()
        self.away: list[str] = []
        dice = random.Random(1)  # noqa: S311 - jitter
        self._watcher = Watcher(
            PcscReaders, self.looks.append, self.away.append, Backoff(dice, 0.2)
        )

    def __enter__(self) -> Self:
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._watcher.stop()


def test_a_reader_whose_name_is_no_text_blinds_nobody_once_it_is_gone() -> None:
    # Made before anything asks for a service: a process learns once where it is.
    first, second = PcscDaemon([USB_READER, NO_TEXT]), PcscDaemon([USB_READER])
    with Watched() as watched:
        with first:
            until(lambda: any("no text" in one for one in watched.away))
            assert watched.looks == []
        with second:
            until(lambda: any(second.reader() in one for one in watched.looks))


def test_a_name_that_is_no_text_is_a_service_that_is_away() -> None:
    with PcscDaemon([NO_TEXT]):
        readers = PcscReaders()
        with pytest.raises(PcscAwayError, match="no text"):
            readers.look()
        readers.close()


def test_a_key_that_somebody_holds_locked_costs_three_threads_and_no_more() -> None:
    """Whoever begins a transaction and never ends it holds up whoever begins the next."""
    key = VirtualYubiKey(yubikey_5c_nfc(31234567))
    found: list[Findings] = []
    lock = threading.Lock()

    def note(_name: str, _changes: int, findings: Findings) -> None:
        with lock:
            found.append(findings)

    with PcscDaemon([USB_READER]) as daemon, attached(daemon, key) as reader:
        prober = Prober(PcscCards(), NoDevices(), note)
        with other_program(reader) as program:
            assert scard.SCardBeginTransaction(program.handle) == scard.SCARD_S_SUCCESS
            program.ask("00a4040005a000000308")
            key.traffic.clear()
            prober.start()
            for held in range(1, 4):
                assert prober.has_room()
                prober.read(f"reader {reader}", held)
                prober.start_anew()
            assert not prober.has_room()
            assert len(key.traffic) == 0
            assert program.ask("00fd000000") == (scard.SCARD_S_SUCCESS, "0507049000")
        until(lambda: len(found) == 3)
        until(prober.has_room)
        prober.stop(10)
    assert [one.serial for one in found] == [31234567] * 3
