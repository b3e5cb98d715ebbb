"""The strict vault: every OTP is opened inside an HSM, and no OTP key is ever on this host.

A record is `format (1) | binding key id (4) | OTP AEAD key's object id (2) | AEAD (36) | MAC (16)`.
The AEAD opens in the HSM alone; the MAC binds it to its public id and generation, and is compared
before a device is asked (`hsm.binding`).

What the service must read back itself, API keys, is sealed by another vault. So are OTP keys from
before: their records go on opening there, until all are moved and their data key is destroyed.
"""

from hmac import compare_digest
from typing import Protocol

from yubihsm.defs import ERROR

from hsm.binding import MAC_OCTETS, Binder, require_binding
from hsm.device.errors import DeviceRefusedError
from hsm.device.otp import AEAD_OCTETS, AES_KEY_OCTETS, OTP_OCTETS, PRIVATE_ID_OCTETS
from hsm.keyfile import KEY_ID_OCTETS
from hsm.vault import (
    OtpKeyBinding,
    OtpKeySecrets,
    RecordRefusedError,
    RevealingVault,
    VaultError,
)
from validation.otp import SESSION_END, InvalidOtpError, OtpFields

FORMAT = b"\x02"
_SEALED_FORMAT = b"\x01"
_KEY_AT = len(FORMAT)
_OBJECT_AT = _KEY_AT + KEY_ID_OCTETS
_AEAD_AT = _OBJECT_AT + 2
_MAC_AT = _AEAD_AT + AEAD_OCTETS
RECORD_OCTETS = _MAC_AT + MAC_OCTETS


class Opening(Protocol):
    """HSMs that open OTPs: a pool of the validator's role."""

    async def decrypt_otp(self, key: int, aead: bytes, ciphertext: bytes) -> OtpFields:
        """Return the counters. Raises InvalidOtpError and DeviceError, never one for the other."""
        ...


class Sealing(Protocol):
    """HSMs that seal credentials: a pool of the provisioner's role."""

    async def create_otp_aead(self, key: int, aes_key: bytes, private_id: bytes) -> bytes:
        """Return 36 octets. Raises DeviceError."""
        ...


class StrictVault:
    """Keeps the `hsm.vault.Vault` promises with keys inside HSMs.

    otp_key: id of the object that new keys are sealed under; a record names the one it needs.
    sealed: keeps everything else.
    """

    __slots__ = ("_binder", "_new_header", "_object", "_opening", "_sealed", "_sealing")

    def __init__(
        self,
        opening: Opening,
        sealing: Sealing,
        *,
        otp_key: int,
        binder: Binder,
        sealed: RevealingVault,
    ) -> None:
        self._opening = opening
        self._sealing = sealing
        self._object = otp_key
        self._binder = binder
        self._sealed = sealed
        self._new_header = FORMAT + binder.active + otp_key.to_bytes(2, "big")

    def __repr__(self) -> str:
        return f"StrictVault(key 0x{self._object:04x}, {self._binder!r})"

    async def seal_otp_key(self, binding: OtpKeyBinding, secrets: OtpKeySecrets) -> bytes:
        """Return a record of 59 octets; ValueError for secrets or a binding of the wrong form."""
        require_binding(binding)
        aes_key, private_id = secrets
        if len(aes_key) != AES_KEY_OCTETS or len(private_id) != PRIVATE_ID_OCTETS:
            raise ValueError("an AES key has 16 octets, a private id 6")
        aead = await self._sealing.create_otp_aead(self._object, aes_key, private_id)
        return self.bind(binding, aead)

    def bind(self, binding: OtpKeyBinding, aead: bytes) -> bytes:
        """Return the record of an AEAD that a device made under `otp_key`: for whoever mints.

        ValueError for a binding or an AEAD of the wrong form.
        """
        require_binding(binding)
        if len(aead) != AEAD_OCTETS:
            raise ValueError(f"an AEAD has {AEAD_OCTETS} octets")
        content = self._new_header + aead
        return content + self._binder.mac(self._binder.active, binding, content)

    async def open_otp(self, binding: OtpKeyBinding, record: bytes, ciphertext: bytes) -> OtpFields:
        """Open one OTP. Raises InvalidOtpError, RecordRefusedError, VaultUnavailableError.

        DeviceRefusedError when all devices say no for a reason of theirs.
        """
        if record.startswith(_SEALED_FORMAT):
            return await self._sealed.open_otp(binding, record, ciphertext)
        key, aead = self.unbind(binding, record)
        if len(ciphertext) != OTP_OCTETS:
            raise InvalidOtpError("the ciphertext is not one block")
        try:
            fields = await self._opening.decrypt_otp(key, aead, ciphertext)
        except DeviceRefusedError as refused:
            if refused.code == ERROR.INVALID_DATA:
                raise RecordRefusedError(
                    f"the HSM does not open a record that is whole: its key 0x{key:04x} is not the"
                    " one that sealed it. Was the device made anew, or from another backup?"
                ) from None
            raise
        if fields.session >= SESSION_END:
            raise InvalidOtpError("the session counter is beyond its end")
        return fields

    def take(self, binder: Binder, otp_key: int | None = None) -> None:
        """Go on with other binding keys. otp_key: under which object new keys are sealed now."""
        self._binder = binder
        self._object = self._object if otp_key is None else otp_key
        self._new_header = FORMAT + binder.active + self._object.to_bytes(2, "big")

    async def reveal_otp_key(self, binding: OtpKeyBinding, record: bytes) -> OtpKeySecrets:
        """Return the secrets of a key that was sealed before strict mode. VaultError for others."""
        if record.startswith(_SEALED_FORMAT):
            return await self._sealed.reveal_otp_key(binding, record)
        raise VaultError(
            "the key was made or moved into the HSM, which gives no OTP key away: nothing can be"
            " exported in strict mode"
        )

    async def seal_secret(self, label: str, secret: bytes) -> bytes:
        """Seal what the service must read back itself, under the label."""
        return await self._sealed.seal_secret(label, secret)

    async def open_secret(self, label: str, record: bytes) -> bytes:
        """Open a secret under the label it was sealed with. Raises RecordRefusedError."""
        return await self._sealed.open_secret(label, record)

    def unbind(self, binding: OtpKeyBinding, record: bytes) -> tuple[int, bytes]:
        """Return the object id and the AEAD of a record made for this row. RecordRefusedError."""
        if len(record) != RECORD_OCTETS or not record.startswith(FORMAT):
            raise RecordRefusedError(
                "what is stored is not a record of this vault's format, or is cut off"
            )
        key_id = record[_KEY_AT:_OBJECT_AT]
        try:
            mac = self._binder.mac(key_id, binding, record[:_MAC_AT])
        except (ValueError, OverflowError):
            raise RecordRefusedError("no OTP key was ever sealed for such a binding") from None
        except KeyError:
            raise RecordRefusedError(
                f"the record is bound with key {key_id.hex()}, which this service does not have:"
                " restore the data keys that belong to this database"
            ) from None
        if not compare_digest(mac, record[_MAC_AT:]):
            raise RecordRefusedError(
                "a record was altered, or belongs to another row: restore the row from a backup,"
                " and find out who wrote to the database"
            )
        return int.from_bytes(record[_OBJECT_AT:_AEAD_AT], "big"), record[_AEAD_AT:_MAC_AT]
