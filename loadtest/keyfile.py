"""The file a load test presses its keys from: API keys of clients and secrets of virtual YubiKeys.

A JSON object: `clients` are `{"id", "api_key"}` as `keystead client add --json` prints them,
`keys` are `{"public_id", "private_id", "aes_key", "session"}` with secrets in hexadecimal.
`session` is the next session counter that no OTP has used: each run takes SESSIONS_PER_RUN of
them and writes that down before the first press, so that no run, however it ends, lets a later
one press an OTP again.

`python -m loadtest.keyfile --keys 100 --client client.json load.json keys.csv` makes new keys
and, for `keystead key import`, the same in the reference server's format.
"""

import argparse
import base64
import json
import os
import secrets
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

from validation import modhex
from validation.otp import SESSION_END
from validation.signature import ApiKey
from validation.virtual import VirtualYubiKey

SESSIONS_PER_RUN = 32
"""Session counters that a run may use of each key: 32 x 256 OTPs, for about a thousand runs."""

MAX_OCTETS = 1 << 28
MAX_KEYS = 100_000
_PUBLIC_ID_OCTETS = 6


class KeyFileError(Exception):
    """The file cannot be used; the message says what is wrong and what to do."""


class Client(NamedTuple):
    """A relying party of the load test."""

    client_id: int
    api_key: ApiKey


class KeySecrets(NamedTuple):
    """A virtual YubiKey as kept: 16 modhex letters at most, 6 and 16 octets, next session."""

    public_id: str
    private_id: bytes
    aes_key: bytes
    session: int

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
        }

    def ksm_line(self, number: int) -> str:
        """Return the key as a line of the reference's key file, without its end."""
        secret = f"{self.private_id.hex()},{self.aes_key.hex()}"
        return f"{number},{self.public_id},{secret},000000000000,2026-01-01T00:00:00,"

    def plugged_in(self) -> VirtualYubiKey:
        """Return the key, ready to be pressed in its next session."""
        return VirtualYubiKey(self.public_id, self.private_id, self.aes_key, session=self.session)


class KeyRing(NamedTuple):
    """What a run works with. last_session: the first session counter it must not reach."""

    clients: tuple[Client, ...]
    keys: tuple[KeySecrets, ...]


def parse(text: str) -> tuple[KeyRing, dict[str, Any]]:
    """Read a key file; returns the ring and the document. KeyFileError names the faulty part."""
    place = "the file"
    try:
        document = json.loads(text)
        clients: list[Client] = []
        for number, client in enumerate(document["clients"]):
            place = f"clients[{number}]"
            secret = base64.b64decode(client["api_key"], validate=True)
            clients.append(Client(int(client["id"]), ApiKey(secret)))
        keys: list[KeySecrets] = []
        place = "the file"
        for number, key in enumerate(document["keys"]):
            place = f"keys[{number}]"
            keys.append(KeySecrets.parse(key))
    except (ValueError, TypeError, KeyError) as error:
        # `from None`, and no value in the text: either could hold a secret.
        raise KeyFileError(
            f"{place} is not as described in loadtest/keyfile.py ({type(error).__name__})"
        ) from None
    if not clients or not keys:
        raise KeyFileError("the file names no clients or no keys: there is nothing to load with")
    return KeyRing(tuple(clients), tuple(keys)), document


def take_sessions(path: Path) -> KeyRing:
    """Read the file, note on disk that this run uses the next sessions, and return the ring."""
    try:
        status = path.stat()
        if stat.S_IMODE(status.st_mode) & 0o077:
            raise KeyFileError(f"{path} holds secrets and others may read it: chmod 600 {path}")
        if status.st_size > MAX_OCTETS:
            raise KeyFileError(f"{path} is larger than a key file can be")
        ring, document = parse(path.read_text("utf-8"))
        for key in document["keys"]:
            key["session"] += SESSIONS_PER_RUN
        if any(key.session + SESSIONS_PER_RUN > SESSION_END for key in ring.keys):
            raise KeyFileError(
                "keys in the file have used up their session counters: make new ones"
            )
        _write_secret(path, json.dumps(document))
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileError(f"{path} cannot be used as a key file: {error}") from error
    return ring


def _write_secret(path: Path, text: str) -> None:
    """Put `text` in place of `path` in one step, readable by the owner alone."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def main(arguments: Sequence[str] | None = None) -> None:
    """Make a key file and its import file."""
    parser = argparse.ArgumentParser(
        prog="python -m loadtest.keyfile", description="Make virtual YubiKeys for a load test."
    )
    parser.add_argument("--keys", type=int, default=100, help="how many (default 100)")
    parser.add_argument(
        "--client",
        type=Path,
        required=True,
        action="append",
        help="what `keystead client add NAME --json` printed, saved in a file; may be repeated",
    )
    parser.add_argument("load", type=Path, help="the key file to make, for --keystead-keys")
    parser.add_argument("ksm", type=Path, help="the file to make for `keystead key import`")
    options = parser.parse_args(arguments)
    if not 1 <= options.keys <= MAX_KEYS:
        parser.error(f"--keys is a number from 1 to {MAX_KEYS}")
    keys = [KeySecrets.new() for _ in range(options.keys)]
    try:
        added = [json.loads(path.read_text("utf-8")) for path in options.client]
        clients = [{"id": client["id"], "api_key": client["api_key"]} for client in added]
        text = json.dumps({"clients": clients, "keys": [key.to_json() for key in keys]})
        parse(text)
        _write_secret(options.load, text)
        _write_secret(options.ksm, "".join(f"{k.ksm_line(n)}\n" for n, k in enumerate(keys, 1)))
    except (OSError, ValueError, TypeError, KeyError) as error:
        parser.error(f"the client's file or the target cannot be used ({type(error).__name__})")
    except KeyFileError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
