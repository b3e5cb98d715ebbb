"""The admin API on YubiKeys: import all or nothing, no secret ever comes back."""

import pytest
import structlog

from server.web import admin_keys
from tests.server.web.office import Office

AES_KEY = "00112233445566778899aabbccddeeff"
PRIVATE_ID = "a1b2c3d4e5f6"


def line(public_id: str, serial: str = "7") -> str:
    return f"{serial},{public_id},{PRIVATE_ID},{AES_KEY},000000000000,2026-01-01T00:00:00,\n"


async def upload(office: Office, text: str | bytes) -> tuple[int, dict[str, object]]:
    raw = text.encode() if isinstance(text, str) else text
    answer = await office.call(
        "POST", "/keys/import?format=ksm", raw=raw, content_type="text/csv; charset=utf-8"
    )
    return answer.status, answer.json


async def test_keys_are_imported_shown_and_listed(office: Office) -> None:
    text = "# ksm\n" + line("cccccccccccc") + line("ccccccccccdd") + line("")
    assert await upload(office, text) == (200, {"imported": 3})
    shown = await office.call("GET", "/keys/ccccccccccdd")
    assert shown.status == 200
    assert shown.json == {
        "public_id": "ccccccccccdd",
        "serial": "7",
        "active": True,
        "generation": 1,
        "session": None,
        "use": None,
        "accepted": None,
        "accepted_client": None,
        "created": "2026-11-21T12:00:00Z",
    }
    listed = await office.call("GET", "/keys")
    assert [key["public_id"] for key in listed.json["keys"]] == ["", "cccccccccccc", "ccccccccccdd"]
    assert listed.json["next"] is None


async def test_pages_of_keys_begin_after_the_empty_public_id_too(office: Office) -> None:
    await upload(office, line("") + line("cc") + line("dd"))
    seen: list[str] = []
    after: str | None = ""
    while after is not None:
        page = (await office.call("GET", f"/keys?limit=1{after}")).json
        seen += [key["public_id"] for key in page["keys"]]
        after = None if page["next"] is None else f"&after={page['next']}"
    assert seen == ["", "cc", "dd"]


@pytest.mark.parametrize(("public_id", "path"), [("cccccccccccc", "cccccccccccc"), ("", "-")])
async def test_a_key_is_switched_off_and_on(office: Office, public_id: str, path: str) -> None:
    await upload(office, line(public_id))
    disabled = await office.call("POST", f"/keys/{path}/disable")
    assert (disabled.status, disabled.json["active"]) == (200, False)
    assert disabled.json["public_id"] == public_id
    assert (await office.call("GET", f"/keys/{path}")).json["active"] is False
    assert (await office.call("POST", f"/keys/{path}/enable")).json["active"] is True


async def test_a_public_id_may_be_typed_in_upper_case(office: Office) -> None:
    await upload(office, line("cccccccccccc"))
    assert (await office.call("GET", "/keys/CCCCCCCCCCCC")).status == 200


@pytest.mark.parametrize(
    ("text", "at"),
    [
        (line("cccccccccccc") + "garbage\n", 2),
        (line("cccccccccccc") + "\n# x\n" + line("not modhex!"), 4),
        (line("cccccccccccc") + line("cccccccccccc"), 2),
        (line("cccccccccccc").encode() + b"\n\xff\xfe\n", 3),
    ],
)
async def test_s15_a_wrong_line_is_named_and_nothing_is_imported(
    office: Office, text: str | bytes, at: int
) -> None:
    status, problem = await upload(office, text)
    assert (status, problem["line"]) == (422, at)
    assert AES_KEY not in str(problem)
    assert PRIVATE_ID not in str(problem)
    assert (await office.call("GET", "/keys")).json["keys"] == []


async def test_a_key_that_is_known_already_stays_as_it_is(office: Office) -> None:
    await upload(office, line("cccccccccccc", serial="1"))
    status, problem = await upload(office, line("dddddddddddd") + line("cccccccccccc", serial="2"))
    assert (status, problem["line"]) == (422, 2)
    keys = (await office.call("GET", "/keys")).json["keys"]
    assert [(key["public_id"], key["serial"]) for key in keys] == [("cccccccccccc", "1")]


async def test_a_file_beyond_the_cap_is_refused_without_being_read(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admin_keys, "MAX_IMPORT", 1000)
    status, problem = await upload(office, line("cccccccccccc") * 50)
    assert (status, problem["status"]) == (413, 413)
    assert (await office.call("GET", "/keys")).json["keys"] == []


async def test_the_format_must_be_named(office: Office) -> None:
    for query in ("", "?format=pgp", "?format=ksm&format=ksm", "?form=ksm"):
        answer = await office.call("POST", f"/keys/import{query}", raw=b"x")
        assert answer.status == 400


@pytest.mark.parametrize(
    "public_id", ["cccccccccccc", "-", "%00", "..%2f..", "%F0%9F%92%A9", "x" * 500]
)
async def test_an_unknown_key_is_404(office: Office, public_id: str) -> None:
    for method, path in (("GET", ""), ("POST", "/disable"), ("POST", "/enable")):
        assert (await office.call(method, f"/keys/{public_id}{path}")).status == 404


async def test_s10_imports_are_logged_by_number_and_changes_by_public_id(office: Office) -> None:
    with structlog.testing.capture_logs() as lines:
        await upload(office, line("cccccccccccc"))
        await upload(office, line("cccccccccccc"))
        await upload(office, "garbage " + AES_KEY)
        await office.call("POST", "/keys/cccccccccccc/disable")
    assert [
        (entry["action"], entry.get("imported"), entry.get("public_id")) for entry in lines
    ] == [
        ("key.import", 1, None),
        ("key.disable", None, "cccccccccccc"),
    ]
    assert AES_KEY not in str(lines)
    assert PRIVATE_ID not in str(lines)
