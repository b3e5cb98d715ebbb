"""Relaying at a real PC/SC daemon: the whole way, a key pulled in the middle, a key in use."""

import pytest

from agent.pcsc import PcscCards
from agent.ports import Cards
from agent.relaying import RelayError, Relaying, Wanted
from agent.report import Identity
from agent.service import _FreeCards
from agent.whitelist_channel import ChannelRules
from tests.agent.pcsc_helpers import attached, other_program
from tests.agent.test_relaying import HonestServer, Time
from tests.pcsc_daemon import PcscDaemon
from tests.server.fleet.channel.lab import SERIAL, a_key
from tests.virtual_yubikey.faults import pulled_after
from tests.virtual_yubikey.yubikey import VirtualYubiKey


def relay(key: VirtualYubiKey, reader: str, cards: Cards) -> str:
    time = Time()
    relaying = Relaying(cards, HonestServer(key, time), time)
    return relaying.relay(Wanted(reader, SERIAL, Identity(serial=SERIAL)))


def cards() -> Cards:
    return PcscCards(lambda: ChannelRules().permit)


def test_the_server_reads_a_key_in_a_reader(daemon: PcscDaemon) -> None:
    key = a_key()
    with attached(daemon, key) as reader:
        assert relay(key, reader, cards()) == "key-channel"
        key.traffic.clear()
        with other_program(reader) as other:
            assert other.ask("00a4040008a000000527471117")[1].endswith("9000")


def test_a_key_that_another_program_is_connected_to_is_not_touched(daemon: PcscDaemon) -> None:
    key = a_key()
    with attached(daemon, key) as reader, other_program(reader):
        key.traffic.clear()
        with pytest.raises(RelayError, match="another program"):
            relay(key, reader, _FreeCards())
        assert len(key.traffic) == 0


@pytest.mark.parametrize("after", [6, 12])
def test_a_key_that_is_pulled_in_the_middle_is_let_go(daemon: PcscDaemon, after: int) -> None:
    daemon.restart()  # the driver does not get over the last key's end
    with (
        attached(daemon, a_key(), distortion=pulled_after(after)) as reader,
        pytest.raises(RelayError, match="could not be asked"),
    ):
        relay(a_key(), reader, cards())
