"""Keys on their way in: sealed at once, with a proof that tells later whose secrets they are.

The proof is an OTP, the key's very first, so it is sealed too: who read it from the import's file
could get in with it.
"""

from collections.abc import Sequence

from hsm.vault import OtpKeyBinding, Vault
from server.moving.keys_file import MovedKey
from server.moving.ports import IncomingKey, KnownKey
from server.otp.ports import NewKey
from validation.otp import InvalidOtpError, OtpCipher, OtpFields

_GENERATION = 1


async def sealed_keys(
    vault: Vault, keys: Sequence[tuple[int, MovedKey]]
) -> list[tuple[int, IncomingKey, bytes]]:
    """Seal keys, each with its line and a proof: an OTP made with its secrets, sealed as well.

    Vault errors pass through.
    """
    found = []
    for line, key in keys:
        binding = OtpKeyBinding(key.public_id, _GENERATION)
        record = await vault.seal_otp_key(binding, key.secrets)
        new = NewKey(key.public_id, _GENERATION, record, key.serial)
        aes_key, private_id = key.secrets
        otp = OtpCipher(aes_key).seal(OtpFields(private_id, 0, 0, 0, 0))
        proof = await vault.seal_secret(_proof_label(key.public_id), otp)
        found.append((line, IncomingKey(new, key.created_us, None), proof))
    return found


async def is_same(vault: Vault, public_id: str, proof: bytes, stored: KnownKey) -> bool:
    """Tell whether a stored key has the secrets that a proof was made with.

    It has if it opens that OTP; so no vault needs to hand a key out. Vault errors pass through.
    """
    otp = await vault.open_secret(_proof_label(public_id), proof)
    try:
        await vault.open_otp(OtpKeyBinding(public_id, stored.generation), stored.record, otp)
    except InvalidOtpError:
        return False
    return True


def _proof_label(public_id: str) -> str:
    return f"import-proof/{public_id}"
