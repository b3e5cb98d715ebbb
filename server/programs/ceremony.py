"""`keystead-ceremony`: making devices what their manifest says, and proving that they are.

One command, one ceremony. Each ends with an exit code of `exits.py` and, when nothing could be
done, a sentence that says why and that nothing was changed.
"""

import sys

import typer

from server.programs import ceremony_backup, ceremony_commands
from server.programs.exits import CommandError, Exit
from server.programs.terminal import complain

EXPLAINED = (
    "Exit codes: 0 done; 1 refused or failed; 2 wrong usage; 4 the device does not answer;"
    " 5 the transcript was tampered with."
)

# Plain help in every surrounding, and tracebacks that never show a variable's value (S10).
app = typer.Typer(
    name="keystead-ceremony",
    help="Ceremonies for YubiHSM 2 devices: make one what its manifest says, and prove it.",
    epilog=EXPLAINED,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("plan")(ceremony_commands.plan)
app.command("perform")(ceremony_commands.perform)
app.command("verify")(ceremony_commands.verify)
app.command("backup")(ceremony_backup.backup)
app.command("restore")(ceremony_backup.restore)
app.command("split")(ceremony_backup.split)
app.command("join")(ceremony_backup.join)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    try:
        code = app(arguments, prog_name="keystead-ceremony", standalone_mode=True)
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else Exit.REFUSED
    except CommandError as error:
        complain(f"keystead-ceremony: {error}")
        return error.code
    except KeyboardInterrupt:
        return 130  # as a shell reports a command that SIGINT ended
    except Exception as error:
        code = _refusal(error)
        if code is None:
            raise
        complain(f"keystead-ceremony: {error}")
        return code
    return code or Exit.OK


def _refusal(error: Exception) -> Exit | None:
    """Return the exit code when an error is a sentence for a person. Others are faults of ours."""
    from hsm.device.errors import DeviceUnavailableError  # noqa: PLC0415 - only a failure asks
    from hsm.manifest import ManifestError  # noqa: PLC0415
    from hsm.vault import VaultError  # noqa: PLC0415

    if isinstance(error, DeviceUnavailableError):
        return Exit.UNREACHABLE
    if isinstance(error, ManifestError):
        return Exit.USAGE
    return Exit.REFUSED if isinstance(error, VaultError) else None


def run() -> None:
    """Be the console script."""
    sys.exit(main())
