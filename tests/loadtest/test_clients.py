"""A clients file says whom to log in at, and what of it is wrong without repeating a secret."""

import json
from typing import Any

import pytest

from loadtest.clients import Client, parse
from loadtest.secretfile import SecretFileError
from validation.signature import ApiKey

ADDED: dict[str, Any] = {
    "id": 7,
    "name": "web",
    "active": True,
    "signed_only": True,
    "limit": None,
    "limit_in_force": {"rate": 20, "burst": 70, "per_day": None},
    "api_key": "c2VjcmV0",
}
"""As `keystead client add --json` prints it."""


def test_what_the_command_line_prints_is_understood() -> None:
    clients = parse(json.dumps([ADDED]))
    (client,) = clients.below
    assert client._replace(api_key=client.api_key) == Client(
        7, client.api_key, rate=20, burst=70, signed_only=True
    )
    assert client.api_key.sign(b"x") == ApiKey(b"secret").sign(b"x")


def test_clients_are_sorted_by_what_is_done_with_them() -> None:
    values = [
        ADDED,
        ADDED | {"id": 8, "over": True, "rate": 1, "burst": 2},
        ADDED | {"id": 9, "active": False},
    ]
    clients = parse(json.dumps({"clients": values}))
    assert [[one.client_id for one in part] for part in clients] == [[7], [8], [9]]
    assert (clients.over[0].rate, clients.over[0].burst) == (1, 2)
    assert clients.ids == {7, 8, 9}


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([], "nobody could log in"),
        ([ADDED | {"over": True}], "nobody could log in"),
        ([ADDED, ADDED], "comes twice"),
        ([ADDED | {"api_key": "not base64!"}], r"clients\[0\]"),
        ([ADDED, ADDED | {"id": 0}], r"clients\[1\]"),
        ([ADDED | {"burst": 0}], r"clients\[0\]"),
        ([3], r"clients\[0\]"),
        ({}, "the clients file"),
    ],
)
def test_a_faulty_part_is_named_and_no_value_of_it_is_repeated(values: object, reason: str) -> None:
    with pytest.raises(SecretFileError, match=reason) as refused:
        parse(json.dumps(values))
    assert "not base64" not in str(refused.value)
