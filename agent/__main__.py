"""`keystead-agent`: the command line."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from agent import __version__
from agent.owner import become_owner
from agent.this_host import data_directory


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out a command; returns the exit code: 0, 1 = it could not be done, 2 = misspelt."""
    options = _parser().parse_args(arguments)
    directory = Path(options.data) if options.data else data_directory()
    try:
        return _carry_out(options, directory)
    except Exception as error:
        problem = _problem_of(error, directory)
        if problem is None:
            raise
    print(f"keystead-agent: {problem}", file=sys.stderr)  # noqa: T201 - a command speaks
    return 1


def _problem_of(error: Exception, directory: Path) -> str | None:
    """Return what an error means for people; None: it is a fault of ours."""
    if isinstance(error, PermissionError):
        return f"{error.filename or directory}: {error.strerror}. Are you the agent's user?"
    if isinstance(error, ModuleNotFoundError):
        if error.name is None or error.name.split(".")[0] not in {"fido2", "smartcard"}:
            return None
        return (
            f"{error.name} is not installed here. The server's package has the agent's code and"
            " not what it needs: pip install 'keystead[agent]'"
        )
    # Imported now: they cost nothing before something went wrong.
    from agent.claim import ClaimError  # noqa: PLC0415
    from agent.commands import CommandError  # noqa: PLC0415
    from agent.enrolment import EnrolmentError  # noqa: PLC0415
    from agent.identity import IdentityError  # noqa: PLC0415
    from agent.running import PartFailedError  # noqa: PLC0415
    from agent.server_url import ServerUrlError  # noqa: PLC0415
    from agent.single import AlreadyRunningError  # noqa: PLC0415
    from agent.store import StoreError  # noqa: PLC0415

    expected = (
        *(AlreadyRunningError, ClaimError, CommandError, EnrolmentError, IdentityError, OSError),
        *(PartFailedError, ServerUrlError, StoreError),
    )
    return str(error) if isinstance(error, expected) else None


def _carry_out(options: argparse.Namespace, directory: Path) -> int:
    command: str = options.command
    if command == "run":
        return _run(directory, as_service=options.service)
    if command in {"install", "uninstall"}:
        from agent.installing import install, uninstall  # noqa: PLC0415

        root = Path(options.root) if options.root else None
        lines = install(root) if command == "install" else uninstall(root, purge=options.purge)
        print("\n".join(lines))  # noqa: T201
        return 0
    from agent import commands  # noqa: PLC0415

    if command == "once" and options.send:
        said = commands.send_once(directory)
    elif command == "once":
        said = commands.once(as_data=options.json)
    elif command == "show":
        said = commands.show(directory, as_data=options.json)
    elif command == "claim":
        said = commands.claim(directory, options.serial, options.person, options.kind)
    elif command == "status":
        said = commands.status(directory, as_data=options.json)
    else:
        said = commands.enroll(
            directory,
            options.server,
            Path(options.token_file),
            options.host_name,
            options.ca_file,
        )
    print(said.text)  # noqa: T201
    if said.problem:
        print(f"keystead-agent: {said.problem}", file=sys.stderr)  # noqa: T201
    return 0


def _run(directory: Path, *, as_service: bool) -> int:
    import logging  # noqa: PLC0415

    from agent.service import Service  # noqa: PLC0415

    become_owner(directory)
    logging.basicConfig(format="%(levelname)s %(message)s", level=logging.INFO)
    service = Service(directory)
    if as_service:
        from agent.windows_service import run_as_service  # noqa: PLC0415

        return run_as_service(service.run, service.stop)
    service.heed_signals()
    service.run()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="keystead-agent", description="Firmware and health of the YubiKeys of this host."
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("--data", default="", help="the agent's directory (KEYSTEAD_AGENT_DATA)")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="watch keys and report, until it is stopped")
    run.add_argument("--service", action="store_true", help="as Windows starts it")

    once = commands.add_parser("once", help="read the keys that are attached now, and print")
    once.add_argument("--json", action="store_true", help="print the report itself")
    once.add_argument("--send", action="store_true", help="report it, instead of printing")

    show = commands.add_parser("show", help="print exactly what would be sent")
    show.add_argument("--json", action="store_true", help="as one JSON object")

    status = commands.add_parser("status", help="say how the agent is")
    status.add_argument("--json", action="store_true", help="as one JSON object")

    claim = commands.add_parser("claim", help="say who holds a key, where that is wanted")
    claim.add_argument("serial", nargs="?", default="", metavar="SERIAL", help="of the key")
    claim.add_argument("--person", required=True, metavar="NAME", help="who holds it")
    claim.add_argument(
        "--kind", required=True, choices=("primary", "spare", "lost"), help="what it is to them"
    )

    enroll = commands.add_parser("enroll", help="enrol this host, once, with a token")
    enroll.add_argument("--server", required=True, metavar="URL")
    enroll.add_argument("--token-file", required=True, metavar="FILE")
    enroll.add_argument("--host-name", default="", metavar="NAME", help="as the token says it")
    enroll.add_argument("--ca-file", default="", metavar="FILE", help="certificates to trust")

    for name, what in (
        ("install", "have this system start the agent"),
        ("uninstall", "have this system forget the agent"),
    ):
        one = commands.add_parser(name, help=what)
        one.add_argument("--root", default="", metavar="DIR", help="write files below DIR only")
        if name == "uninstall":
            one.add_argument("--purge", action="store_true", help="the agent's files as well")
    return parser


if __name__ == "__main__":
    sys.exit(main())
