"""Has a key prove itself by slot 9E: its attestation, and a signature over a challenge.

The server's challenge is asked for first, so that the key is held for its own answers alone, and
never while a server thinks.
"""

import base64
import secrets
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

from agent.apdu import MANAGEMENT, PIV, select
from agent.applications.management import read_pages
from agent.findings import Findings, GarbageError
from agent.http_client import UnreachableError
from agent.ports import (
    Card,
    CardBusyError,
    CardRemovedError,
    PcscAwayError,
    ReaderFailedError,
)
from agent.probing import DEADLINE_S, LateError, Talk
from agent.proof_wire import (
    CHALLENGE_CONTEXT,
    CHALLENGES,
    SIGNATURE_CONTEXT,
    SIGNATURES,
    Challenge,
    key_name,
)
from agent.relaying import RelayError, Wanted
from agent.server_voice import RefusedError, WrongServerError
from agent.tlv import parse_mapping
from agent.whitelist import read_config
from agent.whitelist_proofs import attest, f9_certificate, for_signing, sign

_PATIENCE_S = 10.0
_POLICIES = bytes.fromhex("060a2b0601040182c40a0308")
"""The object identifier 1.3.6.1.4.1.41482.3.8 in DER; after it comes an OCTET STRING."""

_NEVER = b"\x01\x01"
_OCTET_STRING = 0x04
_DATA, _CERTIFICATE, _TEMPLATE, _RESPONSE = 0x53, 0x70, 0x7C, 0x82

Rules = Callable[[bytes], bytes]


class Voice(Protocol):
    """The enrolled server."""

    @property
    def server_key(self) -> bytes:
        """Its key, 32 octets. WrongServerError."""
        ...

    def ask(
        self, path: str, context: bytes, value: Mapping[str, Any], within_s: float
    ) -> Mapping[str, Any]:
        """Ask it. UnreachableError, RefusedError, WrongServerError."""
        ...


class Signed(NamedTuple):
    """What a key gave: its attestation and F9's certificate (DER), and the signature (DER)."""

    attestation: bytes
    f9: bytes
    signature: bytes


class KeySigning:
    """host: this one's id; open_card: begins a transaction with what is in a reader, under rules.

    open_card raises what `agent.ports.Cards.open` does; CardBusyError also where another program
    is only connected.
    """

    def __init__(
        self,
        voice: Voice,
        host: str,
        open_card: Callable[[str, Rules], Card],
        monotonic: Callable[[], float],
    ) -> None:
        self._voice = voice
        self._host = host
        self._open_card = open_card
        self._monotonic = monotonic

    def prove(self, wanted: Wanted, deadline_s: float = DEADLINE_S) -> str:
        """Prove one key; return what the server says that its facts are worth. RelayError."""
        try:
            return self._prove(wanted, deadline_s)
        except UnreachableError as error:
            raise RelayError(f"the server did not answer in time: {error}") from None
        except RefusedError as error:
            raise RelayError(f"the server refused: {error}") from None
        except WrongServerError as error:
            raise RelayError(str(error)) from None
        except LateError:
            raise RelayError("the key took longer than it may be held") from None
        except _CARD_TROUBLE as error:
            words = str(error) or type(error).__name__
            raise RelayError(f"the key could not be asked: {words}") from None

    def _prove(self, wanted: Wanted, deadline_s: float) -> str:
        key = key_name(wanted.key)
        told = self._voice.ask(
            CHALLENGES, CHALLENGE_CONTEXT, {"key": key, "id": secrets.token_hex(16)}, _PATIENCE_S
        )
        challenge = _challenge(self._voice.server_key, self._host, told, key)
        card = self._open_card(wanted.reader, for_signing(challenge))
        try:
            talk = Talk(card, self._monotonic, self._monotonic() + deadline_s)
            signed = ask_key(talk, challenge, wanted.serial)
        finally:
            card.close()
        answer = self._voice.ask(
            SIGNATURES,
            SIGNATURE_CONTEXT,
            {
                "key": key,
                "nonce": _text(challenge.nonce),
                "attestation": _text(signed.attestation),
                "f9": _text(signed.f9),
                "signature": _text(signed.signature),
            },
            _PATIENCE_S,
        )
        return str(answer.get("trust", ""))


def ask_key(talk: Talk, challenge: Challenge, serial: int) -> Signed:
    """Ask the key in a reader. RelayError, LateError, GarbageError, and what the card raises."""
    found = Findings()
    talk.ask(select(MANAGEMENT))
    configuration = talk.ask(read_config(0))
    if configuration.ok:
        read_pages([configuration.data], found)
    if found.serial != serial:
        raise RelayError("another key is in the reader by now")
    if not talk.ask(select(PIV)).ok:
        raise RelayError("the key has no PIV application, or it is switched off")
    attestation = talk.ask(attest())
    if not attestation.ok:
        raise RelayError("slot 9E holds no key that was generated there")
    # Asked of the key itself: a signature that needs a touch would blink, and hold up others.
    if not is_used_freely(attestation.data):
        raise RelayError("the key in slot 9E asks for a PIN or a touch")
    f9 = talk.ask(f9_certificate())
    if not f9.ok:
        raise RelayError("the key tells no certificate of slot F9")
    certificate = parse_mapping(parse_mapping(f9.data).get(_DATA, b"")).get(_CERTIFICATE, b"")
    answer = talk.ask(sign(challenge))
    if not answer.ok:
        raise RelayError(f"slot 9E does not sign (status {answer.status:04X})")
    signature = parse_mapping(parse_mapping(answer.data).get(_TEMPLATE, b"")).get(_RESPONSE, b"")
    if not certificate or not signature:
        raise GarbageError("a proof without a certificate or a signature")
    return Signed(attestation.data, certificate, signature)


def is_used_freely(attestation: bytes) -> bool:
    """Tell whether an attestation says "PIN never, touch never". The server judges the rest."""
    _before, found, after = attestation.partition(_POLICIES)
    if not found or len(after) < 2 or after[0] != _OCTET_STRING:  # noqa: PLR2004 - tag and length
        return False
    content = after[2 : 2 + after[1]]
    return content in (_NEVER, bytes((_OCTET_STRING, len(_NEVER))) + _NEVER)


def _challenge(server_key: bytes, host: str, told: Mapping[str, Any], key: str) -> Challenge:
    try:
        nonce = base64.b64decode(told["nonce"], validate=True)
        challenge = Challenge(server_key, host, nonce, key)
        challenge.digest()
    except (KeyError, TypeError, ValueError):
        raise RelayError("the server's challenge has no nonce of 32 octets") from None
    return challenge


def _text(octets: bytes) -> str:
    return base64.b64encode(octets).decode()


_CARD_TROUBLE = (
    CardBusyError,
    CardRemovedError,
    ReaderFailedError,
    PcscAwayError,
    GarbageError,
)
