"""Restoring a backup into an empty data directory, and the drill that keeps nothing."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hsm import durable_file
from hsm.vault import VaultError, VaultUnavailableError
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
from server.programs.exits import CommandError
from server.programs.kept_secrets import KeptSecrets, Opener, kept_secrets
from server.programs.terminal import say
from server.safeguards import fence_desk


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
    secrets = kept_secrets(backup, key_file)
    unseen = "" if secrets is None else _prove(backup, secrets)
    target = _target(backup, data, database)
    existed = data.root.exists()
    data.create()
    with data.locked():
        _refuse_others_things(data)  # reading the backup took its time
        try:
            fence = _fill(backup, data, target, secrets, cause)
        except BaseException:
            _remove(data.root, keep=existed)
            raise
    done: dict[str, Any] = {
        "data": str(data.root),
        "backup": fence.backup,
        "made": fence.made,
        "keys": backup.tallies["otp_key"].rows,
        "clients": backup.tallies["client"].rows,
        "sealing_key": secrets is not None,
        "hsm": unseen,
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
    backup: Backup,
    data: DataDirectory,
    target: Path | str,
    secrets: KeptSecrets | None,
    cause: Cause,
) -> Fence:
    _write_files(backup, data, secrets)
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


def _write_files(backup: Backup, data: DataDirectory, secrets: KeptSecrets | None) -> None:
    files = dict(backup.files)
    if secrets is not None:
        files |= secrets.files
    for name, content in files.items():
        durable_file.create(data.root / name, content)


def _prove(backup: Backup, secrets: KeptSecrets) -> str:
    """See before anything is written that the secrets open the backup's data keys.

    Return what to tell when the HSM cannot be asked now. CommandError when they do not.
    """
    try:
        Opener(backup, secrets, _config_in(backup).hsm)
    except VaultUnavailableError as error:
        return f"whether the HSM opens the data keys could not be seen: {error}"
    except VaultError as error:
        raise CommandError(f"the secrets do not open this backup: {error}") from error
    return ""


def _config_in(backup: Backup) -> Config:
    """Return the configuration that a backup holds, the defaults when it holds none."""
    text = backup.files.get("keystead.toml")
    if text is None:
        return Config()
    with tempfile.TemporaryDirectory(prefix="keystead-restore-") as scratch:
        file = Path(scratch) / "keystead.toml"
        file.write_bytes(text)
        return load_config(file)


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
    secrets = kept_secrets(backup, key_file) or _own_secrets(backup, data)
    if secrets is None:
        raise CommandError(
            "the backup does not hold its secrets, so that its records cannot be opened. Name"
            " secrets/hsm.key, or an older installation's secrets/sealing.key, with --key-file, or"
            " the data directory they lie in with --data"
        )
    own = data.config_file.exists()
    config = load_config(data.config_file) if own else _config_in(backup)
    opener = Opener(backup, secrets, config.hsm)
    with tempfile.TemporaryDirectory(prefix="keystead-drill-") as scratch:
        found = asyncio.run(drill(backup, Path(scratch), opener.vault, journals=journals))
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


def _own_secrets(backup: Backup, data: DataDirectory) -> KeptSecrets | None:
    """Return the data directory's own secrets, if it has any."""
    if data.has_hsm:
        return kept_secrets(backup, data.hsm_secret_file)
    if data.sealing_key_file.exists():
        return kept_secrets(backup, data.sealing_key_file)
    return None


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
        say(f"Put the secrets back into {data.secrets} before you start, mode 0600: hsm.key, and")
        say("emulator if it has no HSM of its own; of an older installation sealing.key.")
    elif done["hsm"]:
        say(f"Beware: {done['hsm']}")
    say(f"UNDONE is what was administered after {done['made']}: keys, clients and operators that")
    say("were disabled since are ACTIVE, rotated API keys are good again, tokens have ended, and")
    say("imports are missing. Repeat all that before you start the service. Then make a backup.")
    say("Of the fleet: hosts that were erased or replaced since are let in again, those that were")
    say("enrolled since are not, and tokens that waited for a host have ended.")
    if not done["fenced"]:
        say("The counter journals were replayed, and all keys are open again.")
        return
    say("All keys are FENCED: OTPs used since then would be accepted again. Replay the counter")
    say(f"journals: keystead fence replay DIR --data {data.root}")
    for node, problem in done["problems"].items():
        say(f"  {node}: {problem}")
