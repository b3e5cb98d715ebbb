"""Rotations and migrations under load: every verification is answered, whatever key it is under.

Real processes, several workers, both stores. A crowd asks about fresh OTPs without a pause while
all records come under new keys; then again with the control process killed in the middle.
"""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hsm import keyfile
from server.config import Config
from server.datadir import DataDirectory
from server.foundation import create_store
from tests.keystead_process import KeysteadProcess
from tests.postgres_server import PostgresServer
from tests.system.crowd import HANDS, Crowd
from tests.system.loopback import free_port
from tests.system.relying_party import RelyingParty
from tests.system.wire import Wire
from tests.system.yubikeys import YubiKey, known_keys
from validation.status import Status

FLEET = 10_000
ROUNDS = 5
MOST_SECONDS = 240
WHY = ("--reason", "a test")


@asynccontextmanager
async def pressing(url: str, party: RelyingParty, keys: Sequence[YubiKey]) -> AsyncIterator[Crowd]:
    """Let a crowd ask for as long as the block lasts."""
    crowd = Crowd(url, party, keys)
    async with asyncio.TaskGroup() as group:
        group.create_task(crowd.ask())
        await crowd.has_accepted(HANDS)
        try:
            yield crowd
        finally:
            crowd.stop()


async def command(keystead: KeysteadProcess, *arguments: str) -> Any:  # noqa: ANN401 - any JSON
    return await asyncio.to_thread(keystead.cli, *arguments)


async def rotated(keystead: KeysteadProcess, what: str, *options: str) -> Any:  # noqa: ANN401 - any JSON
    """Begin a rotation and wait for its end; return what it was to be."""
    begun = await command(keystead, "vault", what, "--no-wait", *WHY, *options)
    await ended(keystead)
    return begun


async def ended(keystead: KeysteadProcess) -> None:
    await asyncio.to_thread(
        keystead.wait_until,
        lambda: keystead.cli("vault", "status")["rotation"] is None,
        within_s=MOST_SECONDS,
    )


async def everybody_gets_in(url: str, party: RelyingParty, keys: Sequence[YubiKey]) -> None:
    async with Wire(url) as wire:
        for key in keys:
            assert (await party.ask(wire, key.press())).status is Status.OK


def sealed_under(status: Any) -> dict[tuple[str, str], int]:  # noqa: ANN401 - JSON
    assert (status["rotation"], status["unknown"]) == (None, 0)
    return {(key["kind"], key["key"]): key["records"] for key in status["keys"]}


async def test_no_verification_fails_while_ten_thousand_keys_are_rotated(
    keystead: KeysteadProcess, tell: Callable[[str], None]
) -> None:
    assert keystead.ready is not None
    url = keystead.ready.verify_url
    party = RelyingParty.enrol(keystead, "crowd")
    keys = known_keys(keystead, FLEET)
    used, resting = keys[: 4 * HANDS], keys[-200:]
    before = sealed_under(await command(keystead, "vault", "status"))
    # Workers hold these records in memory, as they are now.
    await everybody_gets_in(url, party, resting)
    async with pressing(url, party, used) as crowd:
        begun = await rotated(keystead, "rotate")
        again = await rotated(keystead, "rotate")
    assert begun["otp"] != again["otp"]
    assert crowd.undecided == [], "BACKEND_ERROR, or no answer"
    after = sealed_under(await command(keystead, "vault", "status"))
    assert set(after) == {("otp", again["otp"]), ("secrets", again["secrets"])}
    assert sum(after.values()) == sum(before.values())
    assert not before.keys() & after.keys()
    # Two keys were destroyed meanwhile that these workers' memory knows the records under.
    await everybody_gets_in(url, party, resting)
    assert keystead.metrics()["keystead_records_to_reseal"] == 0
    tell(f"{len(crowd.accepted)} OTPs accepted while {FLEET} keys were rotated twice")


async def test_a_killed_control_process_goes_on_with_the_rotation(
    tmp_path: Path, tell: Callable[[str], None]
) -> None:
    listen = f"127.0.0.1:{free_port()}"
    with KeysteadProcess(tmp_path / "var") as keystead:
        keystead.init()
        keystead.start(workers=2, listen=listen)
        party = RelyingParty.enrol(keystead, "crowd")
        keys = known_keys(keystead, 3_000)
        strikes = 0
        await command(keystead, "vault", "rotate", "--no-wait", *WHY)
        for number in range(ROUNDS):
            async with pressing(f"http://{listen}", party, keys[: 2 * HANDS]) as crowd:
                await asyncio.sleep(0.3 * number)
                if (await command(keystead, "vault", "status"))["rotation"] is not None:
                    strikes += 1
                os.kill(keystead.pid, signal.SIGKILL)
                crowd.stop()
            keystead.wait()
            keystead.start(workers=2, listen=listen)
            await everybody_gets_in(f"http://{listen}", party, keys[:20])
        await ended(keystead)
        assert strikes > 0
        assert len(sealed_under(await command(keystead, "vault", "status"))) == 2
        await everybody_gets_in(f"http://{listen}", party, keys[::10])
    tell(f"{strikes} of {ROUNDS} kills struck in the middle of a rotation")


def of_before(directory: Path) -> KeysteadProcess:
    """Make an installation as it was before there were HSMs: with a key file."""
    data = DataDirectory(directory)
    data.create()
    keyfile.create(data.sealing_key_file)
    asyncio.run(create_store(Config(), data))
    return KeysteadProcess(directory)


async def test_an_installation_with_a_key_file_moves_to_data_keys_while_it_serves(
    tmp_path: Path,
) -> None:
    with await asyncio.to_thread(of_before, tmp_path / "var") as keystead:
        url = keystead.start(workers=2).verify_url
        party = RelyingParty.enrol(keystead, "crowd")
        keys = known_keys(keystead, 1_000)
        before = await command(keystead, "vault", "status")
        assert {key["name"] for key in before["keys"]} == {"key file"}
        refused = await asyncio.to_thread(keystead.run, "vault", "rotate", *WHY)
        assert refused.code != 0
        assert "keystead vault migrate" in refused.err
        async with pressing(url, party, keys[: 2 * HANDS]) as crowd:
            await rotated(keystead, "migrate")
        assert crowd.undecided == []
        after = await command(keystead, "vault", "status")
        assert {key["name"] for key in after["keys"]} == {"data key"}
        assert sum(sealed_under(after).values()) == 1_001
        await everybody_gets_in(url, party, keys[::10])
        # The file is of no more use to this store, and it starts without it.
        assert keystead.terminate() == 0
        (keystead.directory / "secrets/sealing.key").unlink()
        url = keystead.start(workers=2).verify_url
        await everybody_gets_in(url, party, keys[::10])


@pytest.mark.parametrize("workers", [1, 2])
async def test_an_hsm_that_was_moved_to_is_looked_after_without_a_restart(
    tmp_path: Path, workers: int
) -> None:
    with await asyncio.to_thread(of_before, tmp_path / "var") as keystead:
        ready = keystead.start(workers=workers)
        assert "keystead_hsm_up" not in keystead.metrics()
        await rotated(keystead, "migrate")
        shown = keystead.metrics()
        assert (shown["keystead_hsm_up"], shown["keystead_hsm_devices"]) == (1, 1)
        assert "keystead_hsm_log_entries" in shown
        said = json.loads(keystead.get(f"{ready.ops_url}/readyz").text)
        assert (said["ready"], said["checks"][-1]) == (True, "hsm")
        assert "hsm_is_an_emulator" in keystead.log_text()
        # What the move itself left in the log is carried away.
        archives = keystead.directory / "hsm-log"
        keystead.wait_until(lambda: any(archives.glob("*.jsonl")))
        assert keystead.terminate() == 0


async def test_without_the_ceremonys_secret_no_rotation_begins(tmp_path: Path) -> None:
    with KeysteadProcess(tmp_path / "var") as keystead:
        keystead.init()
        kept = tmp_path / "safe.key"
        (keystead.directory / "secrets/ceremony.key").rename(kept)
        refused = await asyncio.to_thread(keystead.run, "vault", "rotate", *WHY)
        assert refused.code != 0
        assert "--ceremony-secret FILE" in refused.err
        before = await command(keystead, "vault", "status")
        wrong = await asyncio.to_thread(
            keystead.run,
            "vault", "rotate", *WHY,
            "--ceremony-secret", str(keystead.directory / "secrets/hsm.key"),
        )  # fmt: skip
        assert wrong.code != 0
        assert await command(keystead, "vault", "status") == before
        await command(keystead, "vault", "rotate", *WHY, "--ceremony-secret", str(kept))
        assert sealed_under(await command(keystead, "vault", "status")) != sealed_under(before)


async def test_a_rotation_on_postgresql_ends_although_no_service_runs(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    with KeysteadProcess(tmp_path / "var") as keystead:
        keystead.cli("init", "--database", postgres.new_database())
        known_keys(keystead, 50)
        await command(keystead, "vault", "rotate", *WHY)
        assert sum(sealed_under(await command(keystead, "vault", "status")).values()) == 50


async def test_keys_move_into_the_hsm_and_to_another_key_of_its_while_it_serves(
    tmp_path: Path,
) -> None:
    with KeysteadProcess(tmp_path / "var") as keystead:
        keystead.init()
        url = keystead.start(workers=2).verify_url
        party = RelyingParty.enrol(keystead, "crowd")
        keys = known_keys(keystead, 300)
        await everybody_gets_in(url, party, keys[:20])
        assert keystead.terminate() == 0
        keystead.configure('[hsm]\nmode = "strict"\n[verify]\ndeadline_seconds = 20\n')
        url = keystead.start(workers=2).verify_url
        async with pressing(url, party, keys[: 2 * HANDS]) as crowd:
            moved = await rotated(keystead, "migrate")
            inside = await command(keystead, "vault", "status")
            renewed = await rotated(keystead, "rotate")
        assert crowd.undecided == []
        assert moved["otp"].startswith("AEAD key 0x0101 of the HSM")
        assert renewed["otp"].startswith("AEAD key 0x0102 of the HSM")
        assert {key["name"] for key in inside["keys"] if key["kind"] == "otp"} == {"key in the HSM"}
        after = sealed_under(await command(keystead, "vault", "status"))
        assert after["otp", renewed["otp"]] == 300
        assert after["secrets", renewed["secrets"]] == 1
        # New keys are sealed under the new object, by the next process too; and none comes out.
        await asyncio.to_thread(known_keys, keystead, 5)
        assert keystead.terminate() == 0
        url = keystead.start(workers=2).verify_url
        await everybody_gets_in(url, party, keys[::10])
        await asyncio.to_thread(known_keys, keystead, 5)
        after = sealed_under(await command(keystead, "vault", "status"))
        assert after["otp", renewed["otp"]] == 310
        assert keystead.terminate() == 0
        keystead.configure("")
        refused = await asyncio.to_thread(keystead.run, "vault", "migrate", *WHY)
        assert refused.code != 0
        assert "gives none of them away" in refused.err
