"""`keystead fleet advisories ...`: the signed file, and `critical`, `decisions`, `rules`."""

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from server.programs.admin_client import because
from server.programs.exits import CommandError
from server.programs.options import Data, Database, Json, Reason, admin_api
from server.programs.remote_options import RemoteGroup, RemoteTyper
from server.programs.terminal import fields, say, say_json, table

app = RemoteTyper(
    help="Advisories: what is known, and the signed file that it is from.",
    invoke_without_command=True,
    cls=RemoteGroup,
)
_PAGE = 1000

KeyFile = Annotated[
    Path, typer.Option("--key", metavar="FILE", help="The private key, as `keygen` made it.")
]
PassphraseFile = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        metavar="FILE",
        help="A file of mode 0600 with the key's passphrase, instead of typing it.",
        show_default=False,
    ),
]


@app.callback()
def advisories(
    context: typer.Context, *, data: Data = None, database: Database = None, as_json: Json = False
) -> None:
    """List the advisories that are known here, as `list` does."""
    if context.invoked_subcommand is None:
        _list(context, data, database, as_json=as_json)


@app.command("list")
def list_(
    context: typer.Context, *, data: Data = None, database: Database = None, as_json: Json = False
) -> None:
    """List the advisories that are known here."""
    _list(context, data, database, as_json=as_json)


def _list(
    context: typer.Context, data: Path | None, database: str | None, *, as_json: bool
) -> None:
    with admin_api(context, data, database) as admin:
        found = admin.get("/fleet/advisories")
    if as_json:
        say_json(found)
        return
    say(_edition(found))
    say()
    lines = [
        one | {"decided": one["decision"] is not None, "exposed_when": one["condition"]}
        for one in found["advisories"]
    ]
    table(lines, ["id", "on", "critical", "decided", "title", "exposed_when"])


def _edition(found: dict[str, Any]) -> str:
    signed = f"signed by key {found['key']}" if found["key"] else "as it came with Keystead"
    return f"Edition {found['edition']} of {found['issued']}, {signed}"


@app.command("show")
def show(
    context: typer.Context,
    advisory_id: Annotated[
        str | None,
        typer.Argument(metavar="ADVISORY", help="As YSA-2024-03; without: the file that stands."),
    ] = None,
    *,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Show one advisory, or which file stands, by which key, and what was loaded."""
    with admin_api(context, data, database) as admin:
        path = "/fleet/advisory-files"
        if advisory_id is not None:
            path = f"/fleet/advisories/{quote(advisory_id)}"
        found = admin.get(path)
    if as_json:
        say_json(found)
        return
    if advisory_id is not None:
        parts = ("packages", "decision")
        plain = {name: value for name, value in found.items() if name not in parts}
        fields({name: value for name, value in plain.items() if value != ""})
        if found["decision"]:
            say()
            fields(found["decision"])
        if found["packages"]:
            say()
            table(found["packages"], ["package", "since", "below", "systems", "note"])
        return
    _say_standing(found)


def _say_standing(found: dict[str, Any]) -> None:
    say(_edition(found))
    say(f"Keys to be judged by it yet: {found['waiting']}")
    say(
        f"Files are believed under: {', '.join(found['trusted']) or 'no key (fleet.advisory_keys)'}"
    )
    if found["files"]:
        say()
        table(found["files"], ["number", "edition", "key", "loaded", "by", "problem"])


@app.command("load")
def load(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The signed file.")],
    *,
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Let a signed file stand, if a trusted key signed it and it is newer than what stands."""
    text = _content(file)
    with admin_api(context, data, database) as admin:
        found = admin.upload_json(because("/fleet/advisories", reason), text)
    if as_json:
        say_json(found)
    else:
        _say_standing(found)


def _content(file: Path) -> bytes:
    from server.fleet.advisory_file import MAX_FILE_OCTETS  # noqa: PLC0415 - takes cryptography

    try:
        with file.open("rb") as stream:
            text = stream.read(MAX_FILE_OCTETS + 1)
    except OSError as error:
        raise CommandError(f"{file}: {error.strerror}") from error
    if len(text) > MAX_FILE_OCTETS:
        raise CommandError(f"{file} is larger than {MAX_FILE_OCTETS:,} octets: no file is")
    return text


@app.command("keygen")
def keygen(
    *,
    key: KeyFile,
    passphrase_file: PassphraseFile = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="Leave the file unencrypted: something else does it.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make a key that signs files of advisories, and print its public half."""
    from server.fleet.signed_file import key_id_of  # noqa: PLC0415 - takes cryptography
    from server.programs import advisory_key  # noqa: PLC0415 - takes age

    if plain and passphrase_file is not None:
        raise typer.BadParameter("--plain is without a passphrase")
    phrase = None if plain else advisory_key.read_passphrase(passphrase_file, twice=True)
    public = advisory_key.create(key, phrase)
    if as_json:
        say_json({"key": key_id_of(public).hex(), "public_key": public.hex(), "file": str(key)})
        return
    say(f"Key {key_id_of(public).hex()} is in {key}. Those who shall believe it write:")
    say()
    say("[fleet]")
    say(f'advisory_keys = ["{public.hex()}"]')


@app.command("sign")
def sign(
    document: Annotated[
        Path, typer.Argument(metavar="DOCUMENT", help="What is to be signed: JSON, as it ships.")
    ],
    *,
    key: KeyFile,
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The signed file, new.")],
    passphrase_file: PassphraseFile = None,
) -> None:
    """Sign a document, if it is one that every service of this version reads."""
    from server.fleet import advisory_file  # noqa: PLC0415 - takes cryptography
    from server.fleet.signed_file import key_id_of  # noqa: PLC0415
    from server.journal.canonical import MalformedError, parse_object  # noqa: PLC0415
    from server.programs import advisory_key  # noqa: PLC0415 - takes age

    text = _content(document)
    encrypted = advisory_key.is_encrypted(key)
    phrase = advisory_key.read_passphrase(passphrase_file) if encrypted else None
    signer = advisory_key.load(key, phrase)
    try:
        value = parse_object(text)
        signed = advisory_file.sign(value, signer.public_key, signer.sign)
        edition = advisory_file.read_document(value).edition
    except MalformedError as error:
        raise CommandError(f"{document}: {error}") from None
    try:
        with out.open("xb") as stream:
            stream.write(signed)
    except OSError as error:
        raise CommandError(f"{out}: {error.strerror}") from error
    name = key_id_of(signer.public_key).hex()
    say(f"{out}: edition {edition}, signed by key {name}")


def critical(
    context: typer.Context,
    advisory_id: Annotated[str, typer.Argument(metavar="ADVISORY", help="As YSA-2024-03.")],
    *,
    reason: Annotated[str, typer.Option("--reason", help="Why: it is kept for good.")],
    withdraw: Annotated[
        bool, typer.Option("--withdraw", help="Take the decision back; that it was made stays.")
    ] = False,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Decide that an advisory on keys is critical, by schedule 2(e)(i): keys are to be replaced."""
    verb = "withdraw" if withdraw else "critical"
    path = because(f"/fleet/advisories/{quote(advisory_id)}/{verb}", reason)
    with admin_api(context, data, database) as admin:
        made = admin.post(path)
    if as_json:
        say_json(made)
        return
    what = "critical" if made["critical"] else "not critical any more"
    say(f"{made['advisory']} is {what}: decided by {made['by']}, {made['time']}")
    say(f"{made['section']}: {made['criterion']}")


def decisions(
    context: typer.Context, *, data: Data = None, database: Database = None, as_json: Json = False
) -> None:
    """List who decided what is critical, when and why."""
    with admin_api(context, data, database) as admin:
        found = admin.get("/fleet/decisions")
    if as_json:
        say_json(found)
    else:
        columns = ["number", "advisory", "critical", "edition", "time", "by", "reason"]
        table(found["decisions"], columns)


def rules(
    context: typer.Context, *, data: Data = None, database: Database = None, as_json: Json = False
) -> None:
    """List the rules of health, your own among them."""
    with admin_api(context, data, database) as admin:
        found = admin.get("/fleet/rules")
    if as_json:
        say_json(found)
    else:
        lines = [one | {"level": one["level"] or "off"} for one in found["rules"]]
        table(lines, ["name", "on", "level", "title", "facts", "own"])


def affected(
    context: typer.Context,
    advisory_id: Annotated[str, typer.Argument(metavar="ADVISORY", help="As YSA-2024-03.")],
    *,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Say which keys an advisory hits or may hit, which are exposed, and on whose laptops.

    Of one on software: on which hosts it is installed.
    """
    with admin_api(context, data, database) as admin:
        path = f"/fleet/advisories/{quote(advisory_id)}"
        advisory = admin.get(path)
        keys = _pages(admin, f"{path}/keys", "keys") if advisory["on"] == "keys" else []
        hosts = _pages(admin, f"{path}/hosts", "hosts") if advisory["packages"] else []
    if as_json:
        say_json({"advisory": advisory, "keys": keys, "hosts": hosts})
        return
    say(f"{advisory['id']}  {advisory['title']}")
    say(f"Exposed: {advisory['condition']}")
    decision = advisory["decision"]
    if decision:
        say(f"Critical: decided by {decision['by']}, {decision['time']}: {decision['reason']}")
    say()
    if advisory["on"] == "keys":
        lines = [
            one | {"hosts": " ".join(one["hosts"]), "disputed": " ".join(one["disputed"])}
            for one in keys
        ]
        table(lines, ["id", "firmware", "affected", "exposed", "hosts", "disputed"])
    if advisory["packages"]:
        installed = [one | hit for one in hosts for hit in one["packages"]]
        table(installed, ["name", "system", "package", "version", "affected", "mended"])
        say("Distributions mend old releases without a new number: look before you count these.")


def _pages(admin: Any, path: str, name: str) -> list[dict[str, Any]]:  # noqa: ANN401 - AdminClient
    """Return all of a collection whose pages have the advisory in them, too."""
    first: str = f"{path}?limit={_PAGE}"
    found: list[dict[str, Any]] = []
    asked: str | None = first
    while asked is not None:
        page = admin.get(asked)
        found += page[name]
        after = page["next"]
        asked = None if after is None else f"{first}&after={quote(after, safe=':')}"
    return found


def register(fleet: RemoteTyper) -> None:
    """Add these commands to those of the fleet."""
    fleet.add_typer(app, name="advisories")
    for name, command in (
        ("critical", critical),
        ("decisions", decisions),
        ("rules", rules),
        ("affected", affected),
    ):
        fleet.command(name)(command)
