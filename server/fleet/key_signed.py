"""Key-signed: a key that was made in slot 9E signs what only this server, now, asked of it.

A challenge and its answer. What is proved is what the slot's attestation says of the key: serial
number, firmware, form factor. The serial number is always compared with the key that is named;
where the organisation has hashes alone, it is hashed, compared and not kept.
"""

import base64
import binascii
import hmac
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils

from agent.proof_wire import NONCE_OCTETS, Challenge
from agent.report import Value, serial_hash
from server.clock import Clock
from server.fleet.attestation import Attested, attested, read_certificate
from server.fleet.attestation_bundle import AttestationBundle
from server.fleet.nonces import LIFETIME_S, Nonces
from server.fleet.proof import Proof, ProofRefusedError
from server.fleet.proving import Proven
from server.fleet.trust import Trust
from server.journal.canonical import MalformedError, exactly, member

_CHALLENGE = frozenset({"format", "host", "key", "id"})
_SIGNATURE = frozenset({"format", "host", "key", "nonce", "attestation", "f9", "signature"})
_KEY = re.compile(r"serial:[1-9][0-9]{0,9}|hash:[0-9a-f]{64}", re.ASCII)
"""As `agent.proof_wire.key_name` has it; anything else, which might be no text, is no key's."""

_MAX_SIGNATURE_OCTETS = 80
_FIVE = 5
_MOVES_KEYS = (5, 7, 0)
"""PIV's MOVE KEY: from there on the key that signs may be in another slot by now than the one that
was attested, and anything in that one."""

_FIPS_SERIES, _SECURITY_KEY_SERIES, _FORM = 0x80, 0x40, 0x0F
_FORM_FACTORS = {
    1: "usb-a-keychain",
    2: "usb-a-nano",
    3: "usb-c-keychain",
    4: "usb-c-nano",
    5: "usb-c-lightning",
    6: "usb-a-bio",
    7: "usb-c-bio",
}


class ProofBook(Protocol):
    """Keeps what is proved (`server.fleet.ports.FleetBook`)."""

    async def prove(self, proof: Proof) -> Proven | None:
        """Keep a proof; None: host or key are not known so."""
        ...


class KeySigned:
    """server_key: public, 32 octets; serial_key: of the organisation; bundle: the roots of now.

    counted: what was done, by its word.
    """

    def __init__(
        self,
        book: ProofBook,
        nonces: Nonces,
        bundle: Callable[[], Awaitable[AttestationBundle]],
        *,
        server_key: bytes,
        serial_key: bytes,
        clock: Clock,
        counted: Counter[str],
    ) -> None:
        self._book = book
        self._nonces = nonces
        self._bundle = bundle
        self._server_key = server_key
        self._serial_key = serial_key
        self._clock = clock
        self._counted = counted

    async def challenge(self, host_id: str, asked: dict[str, Any]) -> Mapping[str, Any]:
        """Give a nonce. MalformedError, ProofRefusedError."""
        exactly(asked, _CHALLENGE)
        member(asked, "id", str)  # the host's own randomness: an answer to it is no old one
        nonce = self._nonces.give(host_id, _key(asked))
        self._counted["challenge"] += 1
        return {"nonce": base64.b64encode(nonce).decode(), "seconds": LIFETIME_S}

    async def signature(self, host_id: str, asked: dict[str, Any]) -> Mapping[str, Any]:
        """Take a proof. MalformedError, ProofRefusedError and the store's errors."""
        exactly(asked, _SIGNATURE)
        key, nonce = _key(asked), _octets(asked, "nonce")
        if len(nonce) != NONCE_OCTETS:
            raise MalformedError(f'"nonce" is not the base64 of {NONCE_OCTETS} octets')
        self._nonces.take(nonce, host_id, key)
        now = datetime.fromtimestamp(self._clock.now_us() / 1e6, UTC)
        found = attested(
            await self._bundle(),
            read_certificate(_octets(asked, "attestation")),
            read_certificate(_octets(asked, "f9")),
            now,
        )
        self._require_serial(found, key)
        challenge = Challenge(self._server_key, host_id, nonce, key)
        _require_signature(found, challenge, _octets(asked, "signature"))
        proof = Proof(key, host_id, now.date(), Trust.KEY_SIGNED, facts_of(found))
        if await self._book.prove(proof) is None:
            raise ProofRefusedError(
                "unknown-key", "this host has not reported that key yet: report it first"
            )
        self._counted[proof.trust.word] += 1
        return {"trust": proof.trust.word}

    def _require_serial(self, found: Attested, key: str) -> None:
        hashed = serial_hash(self._serial_key, found.serial)
        names = (f"serial:{found.serial}", f"hash:{hashed}")
        if not any(hmac.compare_digest(name.encode(), key.encode()) for name in names):
            raise ProofRefusedError(
                "serial", "the attestation is of a key with another serial number"
            )


def facts_of(found: Attested) -> Mapping[str, Value]:
    """Return what is proved, by the names that reports give it."""
    facts: dict[str, Value] = {"device.firmware": str(found.firmware)}
    if found.firmware < _MOVES_KEYS:
        slot = "piv.slot.9e"
        facts |= {
            f"{slot}.algorithm": "ec-p256",
            f"{slot}.origin": "generated",
            f"{slot}.pin_policy": "never",
            f"{slot}.touch_policy": "never",
        }
    form = found.form_factor
    # Firmware 4 tells no form and no series, there or elsewhere.
    if form is not None and found.firmware.major >= _FIVE and form & _FORM in _FORM_FACTORS:
        facts["device.form_factor"] = _FORM_FACTORS[form & _FORM]
        facts["device.fips_series"] = bool(form & _FIPS_SERIES) or found.fips
        facts["device.security_key_series"] = bool(form & _SECURITY_KEY_SERIES)
    return facts


def _require_signature(found: Attested, challenge: Challenge, signature: bytes) -> None:
    if len(signature) > _MAX_SIGNATURE_OCTETS:
        raise MalformedError('"signature" is longer than any of ECDSA with P-256')
    try:
        found.public_key.verify(
            signature, challenge.digest(), ec.ECDSA(utils.Prehashed(hashes.SHA256()))
        )
    except InvalidSignature:
        raise ProofRefusedError(
            "signature", "the key in slot 9E did not sign what this server asked for"
        ) from None


def _key(asked: dict[str, Any]) -> str:
    key: str = member(asked, "key", str)
    if _KEY.fullmatch(key) is None:
        raise MalformedError('"key" is not "serial:..." or "hash:..."')
    return key


def _octets(asked: dict[str, Any], name: str) -> bytes:
    try:
        return base64.b64decode(member(asked, name, str), validate=True)
    except (binascii.Error, ValueError):
        raise MalformedError(f'"{name}" is not base64') from None
