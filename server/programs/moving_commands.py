"""`keystead import` and `keystead export`: the files of the reference server, in and out."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from server.programs.admin_client import AdminClient, RefusedError, because
from server.programs.exits import CommandError, Exit
from server.programs.file_pieces import MAX_OCTETS, pieces
from server.programs.options import Data, Database, Json, Reason, admin_api
from server.programs.progress import Bar, bar
from server.programs.terminal import complain, say, say_json

Keys = Annotated[
    Path | None,
    typer.Option(
        "--keys",
        metavar="FILE",
        help="Keys: serialnr,publicname,internalname,aeskey,lockcode,created,accessed.",
        show_default=False,
    ),
]
Clients = Annotated[
    Path | None,
    typer.Option(
        "--clients",
        metavar="FILE",
        help="Clients: id,active,created,secret,email,notes,otp.",
        show_default=False,
    ),
]
Counters = Annotated[
    Path | None,
    typer.Option(
        "--counters",
        metavar="FILE",
        help="Counters: active,created,modified,yk_publicname,yk_counter,yk_use,yk_low,yk_high,"
        "nonce,notes.",
        show_default=False,
    ),
]


def import_(
    context: typer.Context,
    *,
    keys: Keys = None,
    clients: Clients = None,
    counters: Counters = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would change, and change nothing.")
    ] = False,
    end: Annotated[
        bool,
        typer.Option(
            "--end",
            help="Instead: end the import, whoever began it, that still waits for its files.",
        ),
    ] = False,
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Move in: import keys, clients and counters of yubikey-val, all of them or nothing.

    Any of the files may be left out; one that PGP encrypted is read through gpg. Counters
    become the higher of both, so that no OTP that was used there is accepted here. The files
    hold secrets in the clear: remove them afterwards. Inside Keystead they are sealed.
    """
    if end:
        _end(context, data, database, given=bool(keys or clients or counters), as_json=as_json)
        return
    files = _given(keys, clients, counters)
    for path in files.values():
        _look_at(path)
    try:
        with admin_api(context, data, database) as admin, bar() as shown:
            done = _import(admin, files, shown, dry_run=dry_run, reason=reason)
    except RefusedError as refused:
        report = refused.value
        if not isinstance(report, dict) or "errors" not in report:
            raise
        _tell_errors(report, files, as_json=as_json)
        raise typer.Exit(Exit.REFUSED) from None
    report = _with_paths(done, files, dry_run=dry_run)
    if as_json:
        say_json(report)
        return
    for file, counts in report["files"].items():
        told = ", ".join(f"{number} {change}" for change, number in counts.items())
        say(f"{file}: {told}")
    say("Nothing was changed: this was a dry run." if dry_run else "Imported.")


def _end(
    context: typer.Context, data: Data, database: Database, *, given: bool, as_json: bool
) -> None:
    if given:
        raise CommandError("--end stands alone: it ends an import, and begins none", Exit.USAGE)
    with admin_api(context, data, database) as admin:
        ended = admin.call("DELETE", "/imports")
    if as_json:
        say_json(ended)
        return
    say("Ended. Nothing of it was imported.")


def _import(
    admin: AdminClient, files: Mapping[str, Path], shown: Bar, *, dry_run: bool, reason: str
) -> dict[str, Any]:
    shown.begin("reading", sum(path.stat().st_size for path in files.values()))
    body = pieces(files, shown.advance)
    last: dict[str, Any] = {}
    path = because(f"/imports?dry_run={'yes' if dry_run else 'no'}", reason)
    for last in admin.stream(path, body):
        if "of" in last:
            shown.reach("writing", last["done"], last["of"])
    if "problem" in last:
        raise CommandError(f"{last['problem']}")
    if "imported" not in last:
        raise CommandError(
            "the service ended while it imported. Whether everything or nothing is there can be"
            " seen with --dry-run",
            Exit.UNREACHABLE,
        )
    return last


def _tell_errors(report: dict[str, Any], files: Mapping[str, Path], *, as_json: bool) -> None:
    told = _with_paths(report, files, dry_run=False)
    if as_json:
        say_json(told)
    for error in told["errors"]:
        complain(f"{error['file']}:{error['line']}: {error['error']}")
    more = told["errors_total"] - len(told["errors"])
    if more > 0:
        complain(f"and {more} more")
    complain(f"keystead: {told['errors_total']} lines are at fault; nothing was imported")


def _with_paths(
    report: Mapping[str, Any], files: Mapping[str, Path], *, dry_run: bool
) -> dict[str, Any]:
    """Return a report with the names of the operator's files in its errors."""
    return {
        "imported": report.get("imported", False),
        "dry_run": dry_run,
        "files": report["files"],
        "errors": [{**error, "file": str(files[error["file"]])} for error in report["errors"]],
        "errors_total": report["errors_total"],
    }


def export(
    context: typer.Context,
    *,
    keys: Keys = None,
    clients: Clients = None,
    counters: Counters = None,
    with_secrets: Annotated[
        bool,
        typer.Option(
            "--with-secrets",
            help="Needed for keys and clients, whose files hold AES and API keys in the clear.",
        ),
    ] = False,
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Write the reference server's files, mode 0600. Overwrites nothing."""
    files = _given(keys, clients, counters)
    if not with_secrets and (keys or clients):
        raise CommandError(
            "keys and clients are written with their secrets in the clear: whoever reads the"
            " files can make OTPs and sign answers. Say --with-secrets if you mean it"
        )
    for path in files.values():
        if path.exists() or path.is_symlink():
            raise CommandError(f"{path} exists already; nothing was written. Choose another name")
    lines: dict[str, int] = {}
    with admin_api(context, data, database) as admin:
        for name, path in files.items():
            secrets = "?with_secrets=yes" if name != "counters" else ""
            lines[name] = _write(path, admin.download(because(f"/exports/{name}{secrets}", reason)))
    if as_json:
        say_json({"lines": lines})
        return
    for name, count in lines.items():
        say(f"{files[name]}: {count} {name}")


def _write(path: Path, content: Iterator[bytes]) -> int:
    """Write a new file, whole or not at all; return how many records it has."""
    part = path.with_name(f"{path.name}.part")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    records = 0
    begins = True
    try:
        with os.fdopen(os.open(part, flags, 0o600), "wb") as stream:
            try:
                for piece in content:
                    records += piece.count(b"\n") - _comments(piece, begins=begins)
                    begins = piece.endswith(b"\n")
                    stream.write(piece)
                stream.flush()
                os.fsync(stream.fileno())
                path.hardlink_to(part)  # refuses to take an existing file's place
            finally:
                part.unlink()
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from error
    return records


def _comments(piece: bytes, *, begins: bool) -> int:
    return piece.count(b"\n#") + (begins and piece.startswith(b"#"))


def _given(keys: Path | None, clients: Path | None, counters: Path | None) -> dict[str, Path]:
    named = {"clients": clients, "keys": keys, "counters": counters}
    files = {name: path for name, path in named.items() if path is not None}
    if not files:
        raise CommandError("name at least one of --keys, --clients and --counters", Exit.USAGE)
    return files


def _look_at(path: Path) -> None:
    """Refuse what cannot be read before anything is asked of the service."""
    try:
        if path.is_dir():
            raise CommandError(f"{path} is a directory; name a file")
        if path.stat().st_size > MAX_OCTETS:
            raise CommandError(f"{path} is larger than 1 GiB: split it")
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}") from error
