"""The desk for keys: imports whole files or nothing, and what it changes holds at once."""

import asyncio

import pytest

from server.otp.keys import KeyDesk, UnknownKeyError
from server.otp.ksm import KsmError
from tests.server.acts import CAUSE
from tests.server.otp.room import Room
from validation.status import Status


def lines(room: Room, *public_ids: str) -> str:
    return "\n".join(room.stranger(public_id).line for public_id in public_ids)


async def test_imported_keys_are_listed_and_validate(room: Room) -> None:
    client, made = await room.client(), room.stranger("ccccccccccbb")
    assert await room.keys.import_ksm(lines(room, "cc", "cb") + "\n" + made.line, cause=CAUSE) == 3
    assert (await room.ask(client, room.press(made.yubikey))).status == Status.OK
    details = await room.keys.show("ccccccccccbb")
    assert (details.session, details.use, details.accepted_client) == (1, 0, client.client_id)
    assert details.serial == "1"
    assert [key.public_id for key in await room.keys.list(None, 2)] == ["cb", "cc"]
    assert [key.public_id for key in await room.keys.list("cc", 2)] == ["ccccccccccbb"]


async def test_a_known_public_id_names_its_line_and_nothing_is_imported(room: Room) -> None:
    await room.yubikey("cb")
    with pytest.raises(KsmError, match="line 2: the public id 'cb' is known already"):
        await room.keys.import_ksm(lines(room, "cc", "cb", "cd"), cause=CAUSE)
    assert [key.public_id for key in await room.keys.list(None, 9)] == ["cb"]


async def test_a_bad_line_anywhere_imports_nothing(room: Room) -> None:
    with pytest.raises(KsmError, match="line 3"):
        await room.keys.import_ksm(lines(room, "cc", "cb") + "\nnonsense", cause=CAUSE)
    assert not await room.keys.list(None, 9)


async def test_an_empty_file_imports_nothing(room: Room) -> None:
    assert await room.keys.import_ksm("# nothing\n", cause=CAUSE) == 0


async def test_a_big_import_lets_verifications_through(room: Room) -> None:
    letters = "cbdefghijklnrtuv"
    text = lines(room, *(a + b + c for a in letters for b in letters for c in letters[:3]))
    importing = asyncio.create_task(room.keys.import_ksm(text, cause=CAUSE))
    turns = 0
    while not importing.done():
        await asyncio.sleep(0)
        turns += 1
    assert importing.result() == 768
    assert turns > 3


async def test_keys_are_switched_off_and_on(room: Room) -> None:
    client, yubikey = await room.client(), await room.yubikey()
    assert not (await room.keys.disable(yubikey.public_id, cause=CAUSE)).active
    assert (await room.ask(client, room.press(yubikey))).status == Status.BAD_OTP
    assert (await room.keys.enable(yubikey.public_id, cause=CAUSE)).active
    assert (await room.ask(client, room.press(yubikey))).status == Status.OK


CHANGES = {"enable": {"cause": CAUSE}, "disable": {"cause": CAUSE}}


@pytest.mark.parametrize("method", ["show", "enable", "disable"])
async def test_an_unknown_key_is_said_to_be_unknown(room: Room, method: str) -> None:
    with pytest.raises(UnknownKeyError, match="'ccbb'"):
        await getattr(KeyDesk, method)(room.keys, "ccbb", **CHANGES.get(method, {}))


async def test_a_page_of_keys_has_a_sane_size(room: Room) -> None:
    await room.yubikey()
    assert len(await room.keys.list(None, 0)) == 1
    assert len(await room.keys.list(None, 10**9)) == 1
