"""Virtual YubiKeys that a service under test knows, and ones that it does not."""

import secrets
from collections.abc import Sequence
from pathlib import Path

from tests.keystead_process import KeysteadProcess
from validation import modhex
from validation.virtual import VirtualYubiKey


class YubiKey:
    """A virtual YubiKey and the line that makes a service know it."""

    def __init__(self) -> None:
        self.public_id = modhex.encode(secrets.token_bytes(6))
        private_id, aes_key = secrets.token_bytes(6), secrets.token_bytes(16)
        self._key = VirtualYubiKey(self.public_id, private_id, aes_key)
        self.ksm_line = (
            f"1,{self.public_id},{private_id.hex()},{aes_key.hex()},"
            "000000000000,2026-01-01T00:00:00,\n"
        )

    def press(self) -> str:
        """Return the next OTP."""
        return self._key.press(secrets.randbelow(1 << 16))


def known_keys(keystead: KeysteadProcess, count: int) -> Sequence[YubiKey]:
    """Make `count` keys and import them into the running service."""
    keys = [YubiKey() for _ in range(count)]
    file = Path(f"{keystead.directory}.keys")
    file.touch(mode=0o600)
    file.write_text("".join(key.ksm_line for key in keys))
    keystead.cli("key", "import", str(file), "--format", "ksm")
    file.unlink()
    return keys
