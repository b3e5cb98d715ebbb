"""Minting: a new OTP secret, sealed for the store and for the station, and nowhere in the clear.

The secret exists in this function's locals, in the HSM's session (strict) and in the two sealed
forms. Python cannot wipe memory; what it can do is keep no reference: nothing is returned, logged
or kept that holds the secret unsealed.
"""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from hsm.provisioning.proof import prove_record
from hsm.provisioning.release import Release, ReleaseContext, seal_release
from hsm.vault import OtpKeyBinding, OtpKeySecrets, Vault

_AES_KEY_OCTETS, _PRIVATE_ID_OCTETS = 16, 6


class Minted(NamedTuple):
    """A new key. record: for the store, bound to `binding`; release: for the station."""

    binding: OtpKeyBinding
    record: bytes
    release: Release

    def __repr__(self) -> str:
        return f"Minted({self.binding!r}, <sealed>)"


async def mint(
    vault: Vault,
    randomness: Callable[[int], Awaitable[bytes]],
    context: ReleaseContext,
    recipient: X25519PublicKey,
) -> Minted:
    """Make an OTP secret for a YubiKey.

    vault: seals it (in strict mode: has the HSM create the AEAD) bound to the public id and
    generation; randomness: `MixedRandomness`, waited for; recipient: the station's key. The record
    is proved before anything is returned: an OTP made with the secret opens under it. Raises
    VaultError, and ValueError for a context of the wrong form.
    """
    context.pack()  # before any secret is made
    octets = await randomness(_AES_KEY_OCTETS + _PRIVATE_ID_OCTETS)
    secrets = OtpKeySecrets(octets[:_AES_KEY_OCTETS], octets[_AES_KEY_OCTETS:])
    binding = OtpKeyBinding(context.public_id, context.generation)
    record = await vault.seal_otp_key(binding, secrets)
    await prove_record(vault, binding, record, secrets)
    return Minted(binding, record, seal_release(context, secrets, recipient))
