"""The sealed vault: records sealed with AES-256-GCM under keys that are in memory.

A record is `format (1) | key id (4) | nonce (12) | ciphertext | tag (16)`. The key id selects
the key on the vault's ring. What a record belongs to is authenticated, not stored: a record
copied into another row, kept for another generation of the same key, or handed in as the other
kind of secret does not open.

The keys are data keys that the HSM unwrapped when the service started, or the one of a key file.
They live in this process' memory, and Python cannot wipe it: this keeper protects the database
and its backups, not a host that an attacker is on. That is what strict mode is for.
"""

import os
from collections.abc import Callable
from typing import NamedTuple, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hsm.keyfile import KEY_ID_OCTETS, SealingKey
from hsm.opened_keys import OpenedKeys
from hsm.rings import KeyRing, Rings
from hsm.vault import OtpKeyBinding, OtpKeySecrets, RecordRefusedError, VaultError
from validation.modhex import is_modhex
from validation.otp import MAX_PUBLIC_ID_LETTERS, OtpCipher, OtpFields

_FORMAT = b"\x01"
_NONCE_OCTETS = 12
_TAG_OCTETS = 16
_HEADER_OCTETS = len(_FORMAT) + KEY_ID_OCTETS
_OVERHEAD = _HEADER_OCTETS + _NONCE_OCTETS + _TAG_OCTETS
_AES_KEY_OCTETS = 16
_PRIVATE_ID_OCTETS = 6
_OTP_RECORD_OCTETS = _OVERHEAD + _AES_KEY_OCTETS + _PRIVATE_ID_OCTETS
_MAX_SECRET_OCTETS = 4096
_MAX_LABEL_OCTETS = 0xFFFF
_MAX_GENERATION = 2**63 - 1

# Both names and both layouts differ, and every variable part is preceded by its length, so
# that no two things a record can belong to have the same octets.
_OTP_KEY_DOMAIN = b"keystead otp key v1\0"
_SECRET_DOMAIN = b"keystead secret v1\0"

DEFAULT_OPENED = 20_000
"""Opened keys kept by default: about 1.4 kB each, so some 28 MB."""


class _Opened(NamedTuple):
    """A key that was opened, and the very record it came from."""

    record: bytes
    cipher: OtpCipher
    private_id: bytes

    def __repr__(self) -> str:
        return "_Opened(<hidden>)"


class _Sealer(NamedTuple):
    """A key at work. header: what its records begin with."""

    header: bytes
    aead: AESGCM

    def __repr__(self) -> str:
        return f"_Sealer({self.header[1:].hex()}, <hidden>)"

    @classmethod
    def of(cls, key: SealingKey) -> Self:
        return cls(_FORMAT + key.key_id, AESGCM(key.key))


class _Sealers:
    """A ring at work: whose header a record has, who opens it; one of them seals."""

    __slots__ = ("_by_header", "_sealing", "_what")

    def __init__(self, ring: KeyRing, what: str) -> None:
        self._by_header = {sealer.header: sealer for sealer in map(_Sealer.of, ring.keys)}
        self._sealing = None if ring.active is None else _Sealer.of(ring.active)
        self._what = what

    @property
    def headers(self) -> frozenset[bytes]:
        return frozenset(self._by_header)

    @property
    def sealing(self) -> _Sealer:
        """Who seals; VaultError when nobody does."""
        if self._sealing is None:
            raise VaultError(f"this vault has no data key that {self._what} are sealed with")
        return self._sealing

    def opening(self, record: bytes) -> _Sealer:
        """Return who sealed a record; RecordRefusedError."""
        sealer = self._by_header.get(record[:_HEADER_OCTETS])
        if sealer is None or len(record) < _OVERHEAD:
            raise RecordRefusedError(self._what_it_is(record))
        return sealer

    def _what_it_is(self, record: bytes) -> str:
        """Say what is in the place of a record of this vault."""
        if len(record) < _OVERHEAD or not record.startswith(_FORMAT):
            return "what is stored is not a record of this vault's format, or is cut off"
        held = ", ".join(header[1:].hex() for header in self._by_header) or "none"
        return (
            f"the record is sealed under key {record[1:_HEADER_OCTETS].hex()}, the vault holds"
            f" {held}: restore the key file or the data keys that belong to this database"
        )


class SealedVault:
    """Keeps the `hsm.vault.Vault` promises with keys in memory. Nothing in it ever waits.

    rings: the keys, by purpose; randomness: n -> n octets, never the same twice: a nonce
    used for two records would give both away. Random nonces are safe for four thousand
    million records per key. opened: how many opened keys are remembered
    (`opened_keys`). For one thread, as all of a worker's verifications are.
    """

    __slots__ = ("_opened", "_otp", "_randomness", "_room", "_secrets")

    def __init__(
        self,
        rings: Rings,
        *,
        randomness: Callable[[int], bytes] = os.urandom,
        opened: int = DEFAULT_OPENED,
    ) -> None:
        self._randomness = randomness
        self._room = opened
        self._opened: OpenedKeys[_Opened] = OpenedKeys(opened)
        self._otp = _Sealers(rings.otp, "OTP keys")
        self._secrets = _Sealers(rings.secrets, "secrets")

    def __repr__(self) -> str:
        held = sorted(header[1:].hex() for header in self._otp.headers | self._secrets.headers)
        return f"SealedVault(keys {', '.join(held)}; {len(self._opened)} opened)"

    def take(self, rings: Rings) -> None:
        """Go on with other rings. What was opened with a key that is gone is forgotten."""
        fresh = _Sealers(rings.otp, "OTP keys")
        if not self._otp.headers <= fresh.headers:
            self._opened = OpenedKeys(self._room)
        self._otp = fresh
        self._secrets = _Sealers(rings.secrets, "secrets")

    async def seal_otp_key(self, binding: OtpKeyBinding, secrets: OtpKeySecrets) -> bytes:
        """Return a record of 55 octets; ValueError for secrets or a binding of the wrong form."""
        aes_key, private_id = secrets
        if len(aes_key) != _AES_KEY_OCTETS or len(private_id) != _PRIVATE_ID_OCTETS:
            raise ValueError("an AES key has 16 octets, a private id 6")
        public_id, generation = binding
        if len(public_id) > MAX_PUBLIC_ID_LETTERS or not is_modhex(public_id):
            raise ValueError("a public id has 0 to 16 lower-case modhex letters")
        if not 1 <= generation <= _MAX_GENERATION:
            raise ValueError("generations count from 1")
        sealer = self._otp.sealing
        return self._seal(sealer, _otp_key_context(sealer, binding), aes_key + private_id)

    async def open_otp(self, binding: OtpKeyBinding, record: bytes, ciphertext: bytes) -> OtpFields:
        """Open one OTP. Raises InvalidOtpError or RecordRefusedError."""
        opened = self._opened.get(binding)
        # A remembered key stands for its record alone: a changed record is opened anew.
        if opened is None or opened.record != record:
            opened = self._open_otp_key(binding, record)
        return opened.cipher.open(ciphertext, opened.private_id)

    async def reveal_otp_key(self, binding: OtpKeyBinding, record: bytes) -> OtpKeySecrets:
        """Return the secrets of a key. Raises RecordRefusedError."""
        secrets = self._reveal(binding, record)
        return OtpKeySecrets(secrets[:_AES_KEY_OCTETS], secrets[_AES_KEY_OCTETS:])

    async def seal_secret(self, label: str, secret: bytes) -> bytes:
        """Return a record 33 octets longer than the secret; ValueError when it is too long."""
        if len(secret) > _MAX_SECRET_OCTETS:
            raise ValueError(f"a secret has at most {_MAX_SECRET_OCTETS} octets")
        sealer = self._secrets.sealing
        return self._seal(sealer, _secret_context(sealer, label), secret)

    async def open_secret(self, label: str, record: bytes) -> bytes:
        """Open a secret under the label it was sealed with. Raises RecordRefusedError."""
        sealer = self._secrets.opening(record)
        return _open(sealer, _secret_context(sealer, label), record)

    def _open_otp_key(self, binding: OtpKeyBinding, record: bytes) -> _Opened:
        secrets = self._reveal(binding, record)
        opened = _Opened(record, OtpCipher(secrets[:_AES_KEY_OCTETS]), secrets[_AES_KEY_OCTETS:])
        self._opened.offer(binding, opened)
        return opened

    def _reveal(self, binding: OtpKeyBinding, record: bytes) -> bytes:
        if len(record) != _OTP_RECORD_OCTETS:
            raise RecordRefusedError("the record of an OTP key has another length")
        sealer = self._otp.opening(record)
        try:
            context = _otp_key_context(sealer, binding)
        except (ValueError, OverflowError):
            raise RecordRefusedError("no OTP key was ever sealed for such a binding") from None
        return _open(sealer, context, record)

    def _seal(self, sealer: _Sealer, context: bytes, secret: bytes) -> bytes:
        nonce = self._randomness(_NONCE_OCTETS)
        return sealer.header + nonce + sealer.aead.encrypt(nonce, secret, context)


def _otp_key_context(sealer: _Sealer, binding: OtpKeyBinding) -> bytes:
    public_id, generation = binding
    name = public_id.encode("ascii")
    return b"%b%b%c%b%b" % (
        _OTP_KEY_DOMAIN,
        sealer.header,
        len(name),
        name,
        generation.to_bytes(8, "big"),
    )


def _secret_context(sealer: _Sealer, label: str) -> bytes:
    name = label.encode()
    if len(name) > _MAX_LABEL_OCTETS:
        raise ValueError(f"a label has at most {_MAX_LABEL_OCTETS} octets")
    return _SECRET_DOMAIN + sealer.header + len(name).to_bytes(2, "big") + name


def _open(sealer: _Sealer, context: bytes, record: bytes) -> bytes:
    nonce = record[_HEADER_OCTETS : _HEADER_OCTETS + _NONCE_OCTETS]
    try:
        return sealer.aead.decrypt(nonce, record[_HEADER_OCTETS + _NONCE_OCTETS :], context)
    except InvalidTag:
        raise RecordRefusedError(
            "a sealed record was altered, or belongs to another row: restore the row from "
            "a backup, and find out who wrote to the database"
        ) from None
