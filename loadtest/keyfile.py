"""The file a load test presses its keys from: the secrets of virtual YubiKeys.

A JSON object: `keys` are `{"public_id", "private_id", "aes_key", "session"}` with secrets in
hexadecimal, and perhaps `"active": false` for one that the service was told to refuse.
`session` is the next session counter that no OTP has used: each run takes some of them and writes
that down before the first press, so that no run, however it ends, lets a later one press an OTP
again.

`python -m loadtest.keyfile --keys 100 load.json keys.csv` makes new keys and, for
`keystead key import`, the same in the reference server's format.
"""

import argparse
import json
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

from loadtest.secretfile import SecretFileError, read_secret, write_secret
from validation import modhex
from validation.otp import SESSION_END
from validation.virtual import VirtualYubiKey

SESSIONS_PER_RUN = 32
"""Session counters that a run uses of each key unless told otherwise: 32 x 256 OTPs."""

MAX_KEYS = 100_000
_PUBLIC_ID_OCTETS = 6


class KeySecrets(NamedTuple):
    """A virtual YubiKey as kept: 16 modhex letters at most, 6 and 16 octets, next session."""

    public_id: str
    private_id: bytes
    aes_key: bytes
    session: int
    active: bool = True

    def __repr__(self) -> str:
        """Secrets never reach a log by way of `repr`."""
        return f"KeySecrets({self.public_id!r}, session={self.session})"

    @classmethod
    def new(cls) -> Self:
        """Make a key nobody has seen before."""
        return cls(
            modhex.encode(secrets.token_bytes(_PUBLIC_ID_OCTETS)),
            secrets.token_bytes(6),
            secrets.token_bytes(16),
            session=1,
        )

    @classmethod
    def parse(cls, value: dict[str, Any]) -> Self:
        """Read one object of `keys`; ValueError, TypeError or KeyError when it is none."""
        key = cls(
            value["public_id"],
            bytes.fromhex(value["private_id"]),
            bytes.fromhex(value["aes_key"]),
            int(value["session"]),
            bool(value.get("active", True)),
        )
        key.plugged_in()  # refuses what does not fit
        return key

    def to_json(self) -> dict[str, Any]:
        """Return the object that `parse` reads."""
        return {
            "public_id": self.public_id,
            "private_id": self.private_id.hex(),
            "aes_key": self.aes_key.hex(),
            "session": self.session,
            "active": self.active,
        }

    def ksm_line(self, number: int) -> str:
        """Return the key as a line of the reference's key file, without its end."""
        secret = f"{self.private_id.hex()},{self.aes_key.hex()}"
        return f"{number},{self.public_id},{secret},000000000000,2026-01-01T00:00:00,"

    def plugged_in(self, counters: tuple[int, int] | None = None) -> VirtualYubiKey:
        """Return the key, ready to be pressed in its next session, or at these counters."""
        session, use = counters or (self.session, 0)
        return VirtualYubiKey(
            self.public_id, self.private_id, self.aes_key, session=session, use=use
        )


def parse(text: str) -> tuple[KeySecrets, ...]:
    """Read a key file; SecretFileError names the faulty part, and no value."""
    place = "the key file"
    keys: list[KeySecrets] = []
    try:
        for number, key in enumerate(json.loads(text)["keys"]):
            place = f"keys[{number}]"
            keys.append(KeySecrets.parse(key))
    except (ValueError, TypeError, KeyError) as error:
        # `from None`, and no value in the text: either could hold a secret.
        raise SecretFileError(
            f"{place} is not as described in loadtest/keyfile.py ({type(error).__name__})"
        ) from None
    if len({key.public_id for key in keys}) < len(keys):
        raise SecretFileError("the key file has a public id twice")
    if not any(key.active for key in keys):
        raise SecretFileError("the key file names no active keys: there is nothing to load with")
    return tuple(keys)


def to_text(keys: Sequence[KeySecrets]) -> str:
    """Return the text of a key file; the inverse of `parse`."""
    return json.dumps({"keys": [key.to_json() for key in keys]})


def take_sessions(path: Path, sessions: int = SESSIONS_PER_RUN) -> tuple[KeySecrets, ...]:
    """Read the file, note on disk that this run uses the next sessions, and return the keys."""
    keys = parse(read_secret(path))
    if any(key.session + sessions > SESSION_END for key in keys):
        raise SecretFileError("keys in the file have used up their session counters: make new ones")
    after = [key._replace(session=key.session + sessions) for key in keys]
    try:
        write_secret(path, to_text(after))
    except OSError as error:
        raise SecretFileError(f"{path} cannot be written: {error}") from error
    return keys


def main(arguments: Sequence[str] | None = None) -> None:
    """Make a key file and its import file."""
    parser = argparse.ArgumentParser(
        prog="python -m loadtest.keyfile", description="Make virtual YubiKeys for a load test."
    )
    parser.add_argument("--keys", type=int, default=100, help="how many (default 100)")
    parser.add_argument("load", type=Path, help="the key file to make, for --keys")
    parser.add_argument("ksm", type=Path, help="the file to make for `keystead key import`")
    options = parser.parse_args(arguments)
    if not 1 <= options.keys <= MAX_KEYS:
        parser.error(f"--keys is a number from 1 to {MAX_KEYS}")
    try:
        make([KeySecrets.new() for _ in range(options.keys)], options.load, options.ksm)
    except OSError as error:
        parser.error(f"the files cannot be written: {error}")


def make(keys: Sequence[KeySecrets], load: Path, ksm: Path) -> None:
    """Write keys as a key file and as an import file; OSError."""
    write_secret(load, to_text(keys))
    write_secret(ksm, "".join(f"{key.ksm_line(n)}\n" for n, key in enumerate(keys, 1)))


if __name__ == "__main__":
    main()
