"""The admin API on the vault's keys: what is shown, who begins a rotation, and what is refused."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from server.resealing.rotation import NAME
from tests.server.web.office import Office, open_office

WANTED = {"reason": "the year is over"}
KEY_LINE = b"7,cccccccccccc,a1b2c3d4e5f6,00112233445566778899aabbccddeeff,000000000000,,\n"


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    made = await open_office(tmp_path)
    yield made
    await made.serving.stop()


async def test_the_keys_are_shown_with_what_is_under_them_and_no_key(office: Office) -> None:
    await office.call("POST", "/clients", {"name": "mail"})
    await office.call("POST", "/keys/import?format=ksm", raw=KEY_LINE, content_type="text/csv")
    shown = await office.call("GET", "/vault")
    assert shown.status == 200
    assert [(key["kind"], key["records"]) for key in shown.json["keys"]] == [
        ("otp", 1),
        ("secrets", 1),
    ]
    assert (shown.json["unknown"], shown.json["rotation"]) == (0, None)
    assert set(shown.json["keys"][0]) == {"kind", "key", "name", "state", "records"}


async def test_a_rotation_begins_is_shown_and_is_in_the_journal(office: Office) -> None:
    await office.call("POST", "/clients", {"name": "mail"})
    begun = await office.call("POST", "/vault/rotate", WANTED)
    assert begun.status == 202
    rotation = (await office.call("GET", "/vault")).json["rotation"]
    assert (rotation["otp"], rotation["secrets"]) == (begun.json["otp"], begun.json["secrets"])
    assert (rotation["left"], rotation["reason"]) == (1, "the year is over")
    (entry,) = await office.store.latest_entries(1)
    assert (entry.deed.act.action, entry.deed.act.reason) == ("vault.rotate", "the year is over")
    assert str(entry.deed.act.actor) == rotation["actor"]


@pytest.mark.parametrize("what", ["rotate", "migrate"])
async def test_a_second_one_is_a_conflict(office: Office, what: str) -> None:
    await office.call("POST", "/vault/migrate", WANTED)
    refused = await office.call("POST", f"/vault/{what}", WANTED)
    assert refused.status == 409
    assert "under way" in refused.json["detail"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"reason": ""},
        {"reason": 7},
        {"reason": "x", "ceremony_secret": "relative"},
        {"reason": "x", "more": 1},
    ],
)
async def test_a_body_of_another_form_is_refused_and_begins_nothing(
    office: Office, body: object
) -> None:
    assert (await office.call("POST", "/vault/rotate", body)).status == 422
    assert (await office.call("GET", "/vault")).json["rotation"] is None


async def test_a_secret_that_is_not_there_is_a_conflict_that_says_so(office: Office) -> None:
    refused = await office.call(
        "POST", "/vault/rotate", {**WANTED, "ceremony_secret": "/nowhere/ceremony.key"}
    )
    assert refused.status == 409
    assert "/nowhere/ceremony.key" in refused.json["detail"]
    assert (await office.call("GET", "/vault")).json["rotation"] is None


async def test_a_damaged_rotation_is_a_conflict_and_no_fault(office: Office) -> None:
    await office.store.settle_meta(NAME, "{")
    for method, path, body in (("GET", "/vault", None), ("POST", "/vault/rotate", WANTED)):
        refused = await office.call(method, path, body)
        assert refused.status == 409
        assert "damaged" in refused.json["detail"]
