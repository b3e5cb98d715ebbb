"""Restoring a backup into an empty data directory, and the drill that keeps nothing."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hsm import keyfile
from hsm.keyfile import SealingKey
from hsm.vault import VaultError
from server import logs
from server.backup.drill import drill
from server.backup.restore import Backup, load
from server.clock import SystemClock
from server.config import Config
from server.configfile import load as load_config
from server.counter_journal.desk import FenceError
from server.counter_journal.fence import Fence
from server.datadir import DataDirectory
from server.foundation import open_store
from server.journal.acts import Cause
from server.local_users import this_process
from server.programs import durable_file
from server.programs.exits import CommandError
from server.programs.terminal import say
from server.safeguards import fence_desk

_KEY = "secrets/sealing.key"


def refuse_unless_empty(data: DataDirectory) -> None:
    """Refuse (CommandError) a directory that holds anything: a restore overwrites nothing."""
    if data.root.exists() and (not data.root.is_dir() or any(data.root.iterdir())):
        raise CommandError(
            f"{data.root} is not empty, and a restore overwrites nothing. Name another directory"
            " with --data, or move this one away (mv, not rm: it may be needed yet)"
        )


def _refuse_others_things(data: DataDirectory) -> None:
    """Refuse (CommandError) what came into the directory since it was empty, and leave it alone."""
    rooms = {data.secrets, data.run}
    things = {*data.root.iterdir(), *(thing for room in rooms for thing in room.iterdir())}
    if things - rooms - {data.lock_file}:
        raise CommandError(
            f"{data.root} is not empty any more: somebody else restored or began something there."
            " Nothing was changed"
        )


def restore_backup(
    backup: Backup,
    data: DataDirectory,
    database: str | None,
    key_file: Path | None,
    journals: Sequence[Path],
) -> dict[str, Any]:
    """Restore a verified backup: all of it, or nothing is left. Returns what was done."""
    logs.configure("warning", process="command")  # standard output is the command's answer
    began = time.perf_counter()
    cause = Cause(this_process(), "restore")
    key = _sealing_key(backup, key_file)
    target = _target(backup, data, database)
    existed = data.root.exists()
    data.create()
    with data.locked():
        _refuse_others_things(data)  # reading the backup took its time
        try:
            fence = _fill(backup, data, target, key, cause)
        except BaseException:
            _remove(data.root, keep=existed)
            raise
    done: dict[str, Any] = {
        "data": str(data.root),
        "backup": fence.backup,
        "made": fence.made,
        "keys": backup.tallies["otp_key"].rows,
        "clients": backup.tallies["client"].rows,
        "sealing_key": key is not None,
        "fenced": True,
        "problems": dict(fence.problems),
        "undone_since": fence.made,
    }
    if journals:
        config = load_config(data.config_file)
        if isinstance(target, str):
            config = config.model_copy(
                update={"store": config.store.model_copy(update={"database": target})}
            )
        replayed = asyncio.run(_replay(data, config, journals))
        done |= {"fenced": replayed["stands"], **replayed}
    done["seconds"] = round(time.perf_counter() - began, 3)
    return done


def _fill(
    backup: Backup, data: DataDirectory, target: Path | str, key: bytes | None, cause: Cause
) -> Fence:
    _write_files(backup, data, key)
    if isinstance(target, str):
        return asyncio.run(load(backup, target, cause=cause))
    partial = target.with_name(f"{target.name}.partial")
    fence = asyncio.run(load(backup, partial, cause=cause))
    durable_file.rename(partial, target)
    return fence


async def _replay(data: DataDirectory, config: Config, journals: Sequence[Path]) -> dict[str, Any]:
    store = await open_store(config, data, SystemClock(), create=False)
    try:
        desk = await fence_desk(store)
        done = await desk.replay(journals, cause=Cause(this_process(), "restore"))
    except FenceError as error:
        raise CommandError(f"everything was restored, and all keys are fenced: {error}") from error
    finally:
        await store.close()
    return {**done._asdict(), "problems": dict(done.problems)}


def _target(backup: Backup, data: DataDirectory, database: str | None) -> Path | str:
    if database in {None, "sqlite"}:
        if database is None and backup.head.engine != "sqlite":
            raise CommandError(
                "the backup is of a PostgreSQL database. Make an empty one and name it with"
                " --database postgresql://USER@HOST/DATABASE, or restore to --database sqlite"
            )
        return data.database_file
    return str(database)


def _sealing_key(backup: Backup, key_file: Path | None) -> bytes | None:
    """Return the text of the sealing key's file, checked against the backup."""
    if key_file is not None:
        try:
            key = keyfile.load(key_file)
        except VaultError as error:
            raise CommandError(str(error)) from error
        text = key.format().encode()
    elif _KEY in backup.files:
        text = backup.files[_KEY]
        key = _parse_key(text)
    else:
        return None
    if backup.head.sealing_key not in {"", key.key_id.hex()}:
        raise CommandError(
            f"the backup's records were sealed under key {backup.head.sealing_key}, and"
            f" {key_file or 'the backup'} holds key {key.key_id.hex()}, which opens none of them."
            " Name the right file with --key-file"
        )
    return text


def _parse_key(text: bytes) -> SealingKey:
    try:
        return SealingKey.parse(text.decode("ascii", "replace"))
    except ValueError as error:
        raise CommandError(f"the sealing key in the backup is unusable: {error}") from None


def _write_files(backup: Backup, data: DataDirectory, key: bytes | None) -> None:
    files = dict(backup.files)
    if key is not None:
        files[_KEY] = key
    for name, content in files.items():
        durable_file.create(data.root / name, content)


def _remove(root: Path, *, keep: bool) -> None:
    for path in list(root.iterdir()) if root.is_dir() else []:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    if not keep and root.is_dir():
        root.rmdir()


def drill_backup(
    backup: Backup, data: DataDirectory, key_file: Path | None, journals: Sequence[Path]
) -> dict[str, Any]:
    """Prove a verified backup in a scratch directory. Returns what was found."""
    logs.configure("warning", process="command")  # standard output is the command's answer
    began = time.perf_counter()
    text = _sealing_key(backup, key_file)
    if text is None and data.sealing_key_file.exists():
        text = _sealing_key(backup, data.sealing_key_file)
    if text is None:
        raise CommandError(
            "the backup does not hold the sealing key, so that its records cannot be opened. Name"
            " the key's file with --key-file, or the data directory it lies in with --data"
        )
    with tempfile.TemporaryDirectory(prefix="keystead-drill-") as scratch:
        found = asyncio.run(drill(backup, Path(scratch), _parse_key(text), journals=journals))
    replayed = found.replayed
    return {
        "backup": backup.head.id,
        "made": backup.head.made,
        "keys": backup.tallies["otp_key"].rows,
        "clients": backup.tallies["client"].rows,
        "records_opened": found.opened,
        "fence_refuses": found.fenced,
        "journals": None
        if replayed is None
        else {**replayed._asdict(), "problems": dict(replayed.problems)},
        "steps": {name: round(seconds, 3) for name, seconds in found.seconds.items()},
        "seconds": round(time.perf_counter() - began, 3),
    }


def tell_drill(found: dict[str, Any]) -> None:
    """Print a drill's result for people."""
    say(f"The backup of {found['made']} is good: {found['keys']} keys, {found['clients']} clients;")
    say(f"all {found['records_opened']} sealed records open, and a fenced key refuses.")
    if found["journals"] is not None:
        problems = found["journals"]["problems"]
        for node, problem in problems.items():
            say(f"Counter journal of {node}: {problem}")
        if not problems:
            say("With the counter journals the fence falls.")
    say(f"It took {found['seconds']} s ({_steps(found['steps'])}).")


def _steps(steps: dict[str, float]) -> str:
    return ", ".join(f"{name} {seconds} s" for name, seconds in steps.items())


def tell_restored(done: dict[str, Any], data: DataDirectory) -> None:
    """Print for people what was restored, and what is to be done next."""
    say(f"Restored {done['keys']} keys and {done['clients']} clients of {done['made']}.")
    if not done["sealing_key"]:
        say(f"Put the sealing key back before you start: {data.sealing_key_file}, mode 0600.")
    say(f"UNDONE is what was administered after {done['made']}: keys, clients and operators that")
    say("were disabled since are ACTIVE, rotated API keys are good again, tokens have ended, and")
    say("imports are missing. Repeat all that before you start the service. Then make a backup.")
    if not done["fenced"]:
        say("The counter journals were replayed, and all keys are open again.")
        return
    say("All keys are FENCED: OTPs used since then would be accepted again. Replay the counter")
    say(f"journals: keystead fence replay DIR --data {data.root}")
    for node, problem in done["problems"].items():
        say(f"  {node}: {problem}")
