"""`--url`, `--token-file`, `--ca`: what every command that administers takes beside its own.

They are added to the commands, not written into each: `admin_api` finds out by itself whom it
talks to.
"""

from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

_KEY = "keystead.remote"


class Remote(NamedTuple):
    """A service elsewhere. ca: the file of the authority that its certificate is from."""

    url: str
    token_file: str
    ca: str | None


def _declared(
    *,
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Administer the service at https://HOST:PORT instead of one on this machine.",
            show_default=False,
        ),
    ] = None,
    token_file: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="A file of mode 0600 with your token, for --url.",
            show_default=False,
        ),
    ] = None,
    ca: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="The authority of the service's certificate (PEM), for --url (default: those"
            " that this machine trusts).",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Declare the options; never called."""


def _options() -> list[Any]:
    """Return the options as Typer makes them of what is declared."""
    declared = typer.Typer(add_completion=False)
    declared.command()(_declared)
    command = typer.main.get_command(declared)
    return [parameter for parameter in command.params if parameter.name in _NAMES]


_NAMES = ("url", "token_file", "ca")


class RemoteCommand(TyperCommand):
    """A command that can administer a service elsewhere."""

    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 - Typer's own
        super().__init__(*arguments, **named)
        self.params = [*self.params, *_options()]

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - Typer's own
        """Take our options out of the way of the command's function, and run it."""
        _take(ctx)
        return super().invoke(ctx)


class RemoteGroup(TyperGroup):
    """A group that is a command by itself as well, and can administer a service elsewhere."""

    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 - Typer's own
        super().__init__(*arguments, **named)
        self.params = [*self.params, *_options()]

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - Typer's own
        """Take our options out of the way of the group's function, and run it."""
        _take(ctx)
        return super().invoke(ctx)


def _take(ctx: Any) -> None:  # noqa: ANN401 - Typer's own
    url, token_file, ca = (ctx.params.pop(name) for name in _NAMES)
    if url is None and (token_file is not None or ca is not None):
        raise typer.BadParameter("--token-file and --ca are for --url")
    if url is not None:
        if token_file is None:
            raise typer.BadParameter("--url needs your token: --token-file FILE")
        ctx.meta[_KEY] = Remote(url, token_file, ca)


class RemoteTyper(typer.Typer):
    """A group of commands that can all administer a service elsewhere."""

    def command(self, name: str | None = None, **named: Any) -> Callable[[Any], Any]:  # noqa: ANN401 # type: ignore[override]
        """Register a command, as Typer does."""
        return super().command(name, cls=RemoteCommand, **named)


def given_remote(context: typer.Context) -> Remote | None:
    """Return the service elsewhere that a command is for, None for this machine's."""
    found: Remote | None = context.meta.get(_KEY)
    return found
