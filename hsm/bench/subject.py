"""What is measured: a vault, its records, and the OTPs that are opened with them."""

import itertools
import secrets
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from hsm.bench.devices import OTP_KEY, Running, Secrets
from hsm.binding import Binder, BindingKey
from hsm.device.pool import DevicePool
from hsm.keyfile import SealingKey
from hsm.rings import Rings
from hsm.sealed_vault import SealedVault
from hsm.strict_vault import StrictVault
from hsm.vault import OtpKeyBinding, OtpKeySecrets, Vault
from validation.modhex import encode
from validation.otp import OtpCipher, OtpFields

_KEYS = 1_000


class Question(NamedTuple):
    """One OTP to be opened, and the use counter that has to come out."""

    binding: OtpKeyBinding
    record: bytes
    ciphertext: bytes
    use: int


class Subject(NamedTuple):
    """A vault under its name. asking: how many ask at once; pids: its devices' processes."""

    name: str
    vault: Vault
    questions: Iterator[Question]
    asking: int
    otps: int
    pids: Sequence[int] = ()


class Keys:
    """A thousand YubiKeys. One data key for what the host seals and binds."""

    def __init__(self) -> None:
        self.data_key = SealingKey.of(secrets.token_bytes(32))
        self.sealed = SealedVault(Rings.single(self.data_key))
        self._secrets = [
            OtpKeySecrets(secrets.token_bytes(16), secrets.token_bytes(6)) for _ in range(_KEYS)
        ]

    def strict(self, opening: DevicePool, sealing: DevicePool) -> StrictVault:
        """Return a strict vault over devices."""
        binder = Binder([BindingKey.derive(self.data_key)])
        return StrictVault(opening, sealing, otp_key=OTP_KEY, binder=binder, sealed=self.sealed)

    async def questions(self, vault: Vault) -> Iterator[Question]:
        """Seal all keys with a vault, and return OTPs of theirs without end."""
        asked = []
        for number, key in enumerate(self._secrets):
            binding = OtpKeyBinding(encode(number.to_bytes(6, "big")), 1)
            use = number % 256
            fields = OtpFields(key.private_id, 1 + number % 1000, number, use, number)
            ciphertext = OtpCipher(key.aes_key).seal(fields)
            record = await vault.seal_otp_key(binding, key)
            asked.append(Question(binding, record, ciphertext, use))
        return itertools.cycle(asked)


def pool(devices: Sequence[Running], shared: Secrets) -> DevicePool:
    """Return a pool of the validator's role."""
    return DevicePool([one.device for one in devices], shared.validator)
