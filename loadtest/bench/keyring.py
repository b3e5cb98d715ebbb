"""The bench's YubiKeys: any number of them out of one seed, and requests signed with their OTPs."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from validation import modhex
from validation.signature import ApiKey
from validation.virtual import VirtualYubiKey

_USES_PER_SESSION = 256


class Keyring:
    """`count` virtual YubiKeys, all derived from `seed`; none is kept longer than it is needed."""

    def __init__(self, seed: bytes, count: int) -> None:
        self._seed = seed
        self.count = count

    def ksm_lines(self, start: int, stop: int) -> Iterator[str]:
        """Yield keys `start`..`stop - 1` as lines of the reference's key file."""
        for number in range(start, min(stop, self.count)):
            public_id, private_id, aes_key = self._secrets(number)
            yield (
                f"{number},{public_id},{private_id.hex()},{aes_key.hex()},"
                "000000000000,2026-01-01T00:00:00,\n"
            )

    def key(self, number: int, session: int) -> VirtualYubiKey:
        """Return key `number`, just plugged in for the `session`-th time."""
        public_id, private_id, aes_key = self._secrets(number)
        return VirtualYubiKey(public_id, private_id, aes_key, session=session)

    def _secrets(self, number: int) -> tuple[str, bytes, bytes]:
        secrets = hashlib.sha256(self._seed + number.to_bytes(8, "big")).digest()
        return modhex.encode(b"\xbe" + number.to_bytes(5, "big")), secrets[:6], secrets[6:22]


class Party(NamedTuple):
    """The relying party that asks: its Client ID and API key."""

    client_id: int
    api_key: ApiKey


def targets(
    keyring: Keyring, parties: Sequence[Party], *, session: int, count: int, start: int = 0
) -> Iterator[str]:
    """Yield `count` request targets with a fresh signed OTP each. parties: ask in turn.

    Neighbours never share a key, and one key's OTPs come in order as far apart as possible:
    a key is never in flight twice. session: the first session counter that no OTP used yet;
    afterwards `session + sessions_used(...)` is. start: how many keys of the order to leave out.
    """
    stride = _coprime_stride(keyring.count)
    keys: dict[int, VirtualYubiKey] = {}
    for number in range(count):
        place = (start + number) * stride % keyring.count
        key = keys.get(place)
        if key is None:
            key = keys[place] = keyring.key(place, session)
        otp = key.press(number & 0xFFFF)
        party = parties[number % len(parties)]
        nonce = f"{session:05d}x{number:016d}"
        line = f"id={party.client_id}&nonce={nonce}&otp={otp}"
        signature = party.api_key.sign(line.encode()).replace("+", "%2B")
        yield f"/wsapi/2.0/verify?{line}&h={signature}"


def sessions_used(keys: int, count: int) -> int:
    """Return how many session counters `targets` with these numbers may have used."""
    return count // keys // _USES_PER_SESSION + 2


def _coprime_stride(count: int) -> int:
    """Return a step that visits every key before it visits one twice, far from its neighbours."""
    return next(prime for prime in (7_368_787, 3_999_971, 1) if count % prime)
