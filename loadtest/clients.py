"""The clients file: the relying parties of a load test, and the limit each is held to.

A JSON list of objects as `keystead client add NAME --json` prints them, one per Client ID; any
other members are passed over. What the load test needs to know beside `id` and `api_key`:

* `rate`, `burst`: the limit the service holds the client to (default: `limit_in_force`);
* `over`: true when its users are to go over that limit together, false (default) when they stay
  below it, and every valid OTP must be OK;
* `active`: false for a client that was disabled; `signed_only` as the service has it.
"""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

from loadtest.secretfile import SecretFileError, read_secret
from validation.signature import ApiKey

MAX_CLIENTS = 10_000


class Client(NamedTuple):
    """A relying party. rate: sessions a second, burst: at once, of each of its budgets."""

    client_id: int
    api_key: ApiKey
    rate: int = 10
    burst: int = 50
    over: bool = False
    active: bool = True
    signed_only: bool = False

    @classmethod
    def parse(cls, value: Any) -> Self:  # noqa: ANN401 - any JSON
        """Read one object; ValueError, TypeError or KeyError when it is none."""
        if not isinstance(value, Mapping):
            raise TypeError
        limit = value.get("limit_in_force") or {"rate": 10, "burst": 50}
        client = cls(
            int(value["id"]),
            ApiKey(base64.b64decode(value["api_key"], validate=True)),
            int(value.get("rate", limit["rate"])),
            int(value.get("burst", limit["burst"])),
            bool(value.get("over", False)),
            bool(value.get("active", True)),
            bool(value.get("signed_only", False)),
        )
        if client.client_id < 1 or client.rate < 1 or client.burst < 1:
            raise ValueError
        return client


class Clients(NamedTuple):
    """The clients of a run, by what is done with them."""

    below: tuple[Client, ...]
    over: tuple[Client, ...]
    disabled: tuple[Client, ...]

    @classmethod
    def of(cls, clients: tuple[Client, ...]) -> Self:
        """Sort clients; ValueError when an id comes twice or none stays below its limit."""
        if len({client.client_id for client in clients}) < len(clients):
            raise ValueError("a Client ID comes twice")
        below = tuple(one for one in clients if one.active and not one.over)
        if not below:
            raise ValueError("no active client stays below its limit: nobody could log in")
        return cls(
            below,
            tuple(one for one in clients if one.active and one.over),
            tuple(one for one in clients if not one.active),
        )

    @property
    def ids(self) -> frozenset[int]:
        """All Client IDs."""
        return frozenset(one.client_id for part in self for one in part)


def parse(text: str) -> Clients:
    """Read a clients file; SecretFileError names the faulty part, and no value."""
    place = "the clients file"
    try:
        values = json.loads(text)
        if isinstance(values, dict):
            values = values["clients"]
        clients = []
        for number, value in enumerate(values):
            place = f"clients[{number}]"
            clients.append(Client.parse(value))
    except (ValueError, TypeError, KeyError) as error:
        # `from None`, and no value in the text: either could hold a secret.
        raise SecretFileError(
            f"{place} is not as described in loadtest/clients.py ({type(error).__name__})"
        ) from None
    if len(clients) > MAX_CLIENTS:
        raise SecretFileError(f"the clients file has more than {MAX_CLIENTS} clients")
    try:
        return Clients.of(tuple(clients))
    except ValueError as error:
        raise SecretFileError(f"the clients file cannot be used: {error}") from None


def read(path: Path) -> tuple[Clients, str]:
    """Read the file; returns the clients and the text, for the run's other processes."""
    text = read_secret(path)
    return parse(text), text
