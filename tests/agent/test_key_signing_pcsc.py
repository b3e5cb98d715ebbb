"""Slot 9E at a real PC/SC daemon: politely, once, and nothing else."""

import time

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from agent.key_signing import ask_key
from agent.ports import CardBusyError
from agent.probing import Talk
from agent.proof_wire import Challenge
from agent.service import open_free
from agent.whitelist import ForbiddenCommandError
from agent.whitelist_proofs import attest, for_signing, sign
from tests.agent.pcsc_helpers import attached, other_program, until
from tests.pcsc_daemon import PcscDaemon
from tests.server.fleet.attestations import SERIAL, SLOT, a_provisioned_key

CHALLENGE = Challenge(bytes(32), "ab" * 16, bytes(range(32)), f"serial:{SERIAL}")


def test_a_key_signs_what_it_is_asked_and_its_card_takes_nothing_else(daemon: PcscDaemon) -> None:
    key = a_provisioned_key()
    with attached(daemon, key) as reader:
        card = open_free(reader, for_signing(CHALLENGE))
        try:
            talk = Talk(card, time.monotonic, time.monotonic() + 20)
            signed = ask_key(talk, CHALLENGE, SERIAL)
            said = len(key.traffic)
            for octets in (sign(CHALLENGE), bytes.fromhex("0020008008313233343536ffff")):
                with pytest.raises(ForbiddenCommandError):
                    card.exchange(octets)
            assert card.exchange(attest()).status >> 8 in {0x61, 0x90}
        finally:
            card.close()
    assert len(key.traffic) == said + 1
    public = key.piv.state.keys[SLOT].private.public_key()
    assert isinstance(public, ec.EllipticCurvePublicKey)
    digest = ec.ECDSA(utils.Prehashed(hashes.SHA256()))
    public.verify(signed.signature, CHALLENGE.digest(), digest)


def test_a_key_that_another_program_is_connected_to_is_left_alone(daemon: PcscDaemon) -> None:
    key = a_provisioned_key()
    with attached(daemon, key) as reader:
        with other_program(reader) as program:
            program.ask("00a4040005a000000308")
            said = len(key.traffic)
            with pytest.raises(CardBusyError):
                open_free(reader, for_signing(CHALLENGE))
            assert program.ask("00fd000000") == (0, "0507049000")
            assert len(key.traffic) == said + 1
        until(lambda: _is_free(reader))


def _is_free(reader: str) -> bool:
    try:
        open_free(reader, for_signing(CHALLENGE)).close()
    except CardBusyError:
        return False
    return True
