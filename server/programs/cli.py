"""The `keystead` command: what there is to do, each thing a short call into its module.

Modules are imported by the command that needs them, so that `--help` and `keystead otp` start
as fast as they can.
"""

from pathlib import Path
from typing import Annotated

import typer

from server.programs import (
    availability_commands,
    backup_commands,
    client_commands,
    contact_commands,
    customer_commands,
    fence_commands,
    hsm_audit_commands,
    incident_commands,
    journal_commands,
    maintenance_commands,
    minting_commands,
    moving_commands,
    notice_commands,
    oncall_commands,
    operator_commands,
    probe_commands,
    report_commands,
    station_commands,
    status_commands,
    vault_commands,
)
from server.programs.exits import EXPLAINED, CommandError, Exit
from server.programs.installation import Setting, configuration
from server.programs.options import (
    Connectors,
    Data,
    Database,
    Json,
    Reason,
    Root,
    chosen_data,
    database_setting,
    file_setting,
)
from server.programs.remote_options import RemoteCommand
from server.programs.terminal import complain, say, say_json

# Plain help in every surrounding, and tracebacks that never show a variable's value (S10).
app = typer.Typer(
    name="keystead",
    help="Keystead: a YubiKey OTP validation service.",
    epilog=EXPLAINED,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
hsm_app = typer.Typer(help="The HSMs.", no_args_is_help=True)
hsm_app.add_typer(hsm_audit_commands.app, name="audit")
store_app = typer.Typer(help="The database.", no_args_is_help=True)
config_app = typer.Typer(help="The configuration.", no_args_is_help=True)
app.command("import", cls=RemoteCommand)(moving_commands.import_)
app.command("export", cls=RemoteCommand)(moving_commands.export)
app.add_typer(client_commands.app, name="client")
app.add_typer(minting_commands.app, name="key")  # with those of `key_commands`
app.add_typer(backup_commands.app, name="backup")
app.command("restore")(backup_commands.restore)
app.add_typer(fence_commands.app, name="fence")
app.add_typer(vault_commands.app, name="vault")
app.add_typer(customer_commands.app, name="customer")
app.add_typer(contact_commands.app, name="contact")
app.add_typer(operator_commands.app, name="operator")
app.add_typer(journal_commands.app, name="journal")
app.add_typer(incident_commands.app, name="incident")  # with those of `ledger_commands`
app.add_typer(notice_commands.app, name="notice")
app.add_typer(oncall_commands.app, name="oncall")
app.add_typer(availability_commands.availability_app, name="availability")
app.add_typer(availability_commands.clock_app, name="clock")
app.add_typer(station_commands.app, name="station")
app.add_typer(hsm_app, name="hsm")
app.add_typer(maintenance_commands.app, name="maintenance")
app.add_typer(probe_commands.app, name="probe")
app.add_typer(incident_commands.app, name="incident")
app.add_typer(status_commands.app, name="status")
app.add_typer(report_commands.app, name="report")
app.add_typer(store_app, name="store")
app.add_typer(config_app, name="config")


@app.callback()
def root(context: typer.Context, *, data: Data = None) -> None:
    """Keystead: a YubiKey OTP validation service."""
    context.obj = Root(data)


@app.command("init")
def init(
    context: typer.Context,
    *,
    sandbox: Annotated[
        bool,
        typer.Option("--sandbox", help="Add a Client ID and a virtual YubiKey to try things with."),
    ] = False,
    hsm: Connectors = None,
    host_secret: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="With --hsm: the host's secret of the devices' ceremony; it is copied.",
            show_default=False,
        ),
    ] = None,
    ceremony_secret: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The ceremony's secret, with which the data keys are made; it is not copied.",
            show_default=False,
        ),
    ] = None,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Make a data directory: configuration, HSM (emulated), data keys, database.

    Overwrites nothing. With --hsm it uses devices that `keystead-ceremony` has prepared.
    """
    from server.programs.initialise import (  # noqa: PLC0415
        WithHsm,
        initialise,
        tell_secrets,
    )

    directory = chosen_data(context, data)
    with_hsm = WithHsm(hsm or (), host_secret, ceremony_secret)
    done = initialise(directory, with_sandbox=sandbox, database=database, hsm=with_hsm)
    made = done.sandbox
    if as_json:
        value: dict[str, object] = {"data": str(directory.root), "initialised": done.made}
        if made is not None:
            value["sandbox"] = {
                "id": made.client_id,
                "api_key": made.api_key,
                "public_id": made.public_id,
            }
        say_json(value)
        return
    if done.made:
        say(f"Initialised {directory.root}.")
        tell_secrets(directory)
    if made is not None:
        say(f"Sandbox: Client ID {made.client_id}, API key {made.api_key} (not shown again),")
        say(f"and a virtual YubiKey {made.public_id}, whose OTPs `keystead otp` prints.")
    say(f"Start with: keystead serve --data {directory.root}")


@app.command("serve")
def serve(
    context: typer.Context,
    *,
    listen: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Where clients validate (default: configured, else 127.0.0.1:8080).",
            show_default=False,
        ),
    ] = None,
    ops_listen: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Where /metrics and /readyz are (default: configured, else 127.0.0.1:8081).",
            show_default=False,
        ),
    ] = None,
    admin_listen: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Where operators administer over HTTPS (default: configured, else nowhere).",
            show_default=False,
        ),
    ] = None,
    tls_certificate: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Speak TLS to clients with this certificate and chain (PEM).",
            show_default=False,
        ),
    ] = None,
    tls_key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The certificate's private key (PEM), readable by its owner alone.",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Processes that verify.", show_default=False)
    ] = None,
    hsm: Connectors = None,
    hsm_mode: Annotated[
        str | None,
        typer.Option(
            metavar="sealed|strict",
            help="Where OTPs are opened (default: configured, else sealed).",
            show_default=False,
        ),
    ] = None,
    data: Data = None,
    database: Database = None,
) -> None:
    """Serve. Prints a line that starts with `ready` when it accepts; SIGTERM ends gracefully."""
    from server.programs.serve import serve as run  # noqa: PLC0415

    directory = chosen_data(context, data)
    settings = [
        Setting(("listen", "verify"), listen, "--listen"),
        Setting(("listen", "ops"), ops_listen, "--ops-listen"),
        Setting(("listen", "admin"), admin_listen, "--admin-listen"),
        file_setting(("tls", "certificate"), tls_certificate, "--tls-certificate"),
        file_setting(("tls", "key"), tls_key, "--tls-key"),
        Setting(("workers",), workers, "--workers"),
        Setting(("hsm", "connectors"), hsm or None, "--hsm"),
        Setting(("hsm", "mode"), hsm_mode, "--hsm-mode"),
        database_setting(database),
    ]
    run(directory, configuration(directory, settings))


@app.command("otp")
def otp(context: typer.Context, *, data: Data = None, as_json: Json = False) -> None:
    """Print the sandbox key's next OTP."""
    from server.programs.sandbox import next_otp  # noqa: PLC0415

    text = next_otp(chosen_data(context, data))
    if as_json:
        say_json({"otp": text})
    else:
        say(text)


@app.command("emulator")
def emulator(
    context: typer.Context,
    *,
    listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Where clients find the connector.")
    ] = "127.0.0.1:12345",
    firmware: Annotated[
        str, typer.Option(metavar="VERSION", help="Which firmware: 2.2.0, 2.3.1, 2.4.1, 2.5.0.")
    ] = "2.4.1",
    fips: Annotated[
        bool, typer.Option("--fips", help="Answer as a YubiHSM 2 FIPS. It is certified by nobody.")
    ] = False,
    timing: Annotated[
        str | None,
        typer.Option(
            metavar="yubihsm2",
            help="Take as long as this hardware does (default: as fast as can be).",
            show_default=False,
        ),
    ] = None,
    data: Data = None,
) -> None:
    """Be a YubiHSM 2 in software, as from the factory, forgotten when it ends. For trying out."""
    from server.programs.emulator import run  # noqa: PLC0415

    if timing not in {None, "yubihsm2"}:
        raise CommandError(f"--timing knows yubihsm2, not {timing!r}", Exit.USAGE)
    directory = chosen_data(context, data)
    if configuration(directory).environment == "production":
        raise CommandError(
            f"{directory.config_file} says that this is production, where keys belong into"
            " hardware. Try the emulator on another machine, or with another --data"
        )
    run(listen, firmware, fips=fips, timed=timing is not None)


@store_app.command("upgrade")
def store_upgrade(
    context: typer.Context,
    *,
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Bring the database's schema up to this program's version. Back it up first."""
    from server.programs.upgrade import upgrade_store  # noqa: PLC0415

    directory = chosen_data(context, data)
    config = configuration(directory, [database_setting(database)])
    done = upgrade_store(directory, config, reason=reason)
    if as_json:
        say_json({"before": done.before, "after": done.after})
    elif done.before == done.after:
        say("The schema is current; nothing was changed.")
    else:
        say(f"The schema was {done.before} and is {done.after} now.")


@store_app.command("move")
def store_move(
    context: typer.Context,
    *,
    to: Annotated[
        str,
        typer.Option(
            metavar="URL",
            help="postgresql://USER@HOST/DATABASE; it must be empty. No password here: ~/.pgpass.",
        ),
    ],
    reason: Reason = "",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Move the embedded store to PostgreSQL, compared to the last counter. Stop serving first.

    Afterwards the embedded store is refused, so that it is never served again by accident. An
    interrupted move is begun anew by the same command.
    """
    from server.programs.progress import bar  # noqa: PLC0415
    from server.programs.store_move import move_store  # noqa: PLC0415

    directory = chosen_data(context, data)
    with bar() as shown:
        config = configuration(directory)
        counts = move_store(directory, config, to, shown.advance, reason=reason)
    if as_json:
        say_json({"moved_to": to, "rows": counts})
        return
    for table_name, count in counts.items():
        say(f"{table_name}: {count} rows, compared")
    say(f"Moved. Write into {directory.config_file}, under [store]: database = {to!r}")


@config_app.command("check")
def config_check(
    context: typer.Context, *, data: Data = None, database: Database = None, as_json: Json = False
) -> None:
    """Check the configuration file and print what is in force, defaults included."""
    from server.configfile import to_toml  # noqa: PLC0415

    directory = chosen_data(context, data)
    config = configuration(directory, [database_setting(database)])
    if as_json:
        say_json(config.model_dump(mode="json"))
        return
    found = "" if directory.config_file.exists() else " (absent: these are the defaults)"
    say(f"# {directory.config_file}{found}")
    for line in to_toml(config).splitlines():
        say(line)


@app.command("doctor")
def doctor(
    context: typer.Context, *, data: Data = None, database: Database = None, as_json: Json = False
) -> None:
    """Examine the installation and say what is wrong and what to do."""
    from server.programs.doctor import examine, worst  # noqa: PLC0415

    findings = examine(chosen_data(context, data), database)
    if as_json:
        say_json([finding._asdict() for finding in findings])
    else:
        for finding in findings:
            say(f"{finding.grade:<5} {finding.check}: {finding.found}")
            if finding.advice:
                say(f"      {finding.advice}")
    if worst(findings) == "fail":
        raise typer.Exit(Exit.REFUSED)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    try:
        code = app(arguments, prog_name="keystead", standalone_mode=True)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else Exit.REFUSED
    except CommandError as error:
        complain(f"keystead: {error}")
        return error.code
    except KeyboardInterrupt:
        return 130  # as a shell reports a command that SIGINT ended
    except Exception as error:
        if not _is_refusal(error):
            raise
        complain(f"keystead: {error}")
        return Exit.REFUSED
    return code or Exit.OK


def _is_refusal(error: Exception) -> bool:
    """Whether an error is a sentence for the operator. Anything else is a fault of ours."""
    from hsm.vault import VaultError  # noqa: PLC0415 - only a failed command asks
    from server.accounts.text import InputError  # noqa: PLC0415
    from server.backup.recipients import BackupError  # noqa: PLC0415
    from server.configfile import ConfigError  # noqa: PLC0415
    from server.datadir import DataDirectoryError  # noqa: PLC0415
    from server.otp.ports import StoreError  # noqa: PLC0415
    from server.programs.unix_sockets import ListenError  # noqa: PLC0415
    from server.storage.refusals import StoreRefusedError  # noqa: PLC0415
    from server.tlsfiles import TlsError  # noqa: PLC0415

    return isinstance(
        error,
        BackupError
        | ConfigError
        | DataDirectoryError
        | InputError
        | ListenError
        | StoreError
        | StoreRefusedError
        | TlsError
        | VaultError,
    )
