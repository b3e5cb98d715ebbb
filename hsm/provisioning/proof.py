"""Proof that a record holds a secret: an OTP made with the secret opens under the record.

It asks no more of a vault than every vault does, so it proves what an HSM sealed as well as what
was sealed here, and it proves the use the record is for: AES key and private id both.
"""

import os
from collections.abc import Callable

from hsm.vault import OtpKeyBinding, OtpKeySecrets, Vault, VaultError
from validation.otp import InvalidOtpError, OtpCipher, OtpFields


class UnprovedRecordError(VaultError):
    """A record that was just sealed does not hold what went into it: it must not be stored."""


async def prove_record(
    vault: Vault,
    binding: OtpKeyBinding,
    record: bytes,
    secrets: OtpKeySecrets,
    *,
    randomness: Callable[[int], bytes] = os.urandom,
) -> None:
    """Make an OTP with the secret and have the vault open it. UnprovedRecordError, VaultError."""
    drawn = int.from_bytes(randomness(8), "big")
    fields = OtpFields(
        secrets.private_id,
        session=drawn & 0x7FFF,
        clock=drawn >> 16 & 0xFFFFFF,
        use=drawn >> 40 & 0xFF,
        random=drawn >> 48,
    )
    try:
        opened = await vault.open_otp(binding, record, OtpCipher(secrets.aes_key).seal(fields))
    except InvalidOtpError:
        opened = None
    if opened is None or opened[1:4] != fields[1:4]:
        raise UnprovedRecordError(
            f"the record just sealed for {binding.public_id!r} does not open an OTP of its own"
            " secret: nothing was stored. Check the HSM before anything else is sealed with it"
        )
