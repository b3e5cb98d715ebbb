"""`keystead probe ...`: the prober, and what makes one."""

from pathlib import Path
from typing import Annotated

import typer

from server.programs.options import Data, Database, Json, Reason, admin_api, chosen_data
from server.programs.remote_options import RemoteCommand, given_remote
from server.programs.terminal import fields, say, say_json, table

app = typer.Typer(
    help="A prober: validates an OTP of its own every half minute, and tells.",
    invoke_without_command=True,
    no_args_is_help=True,
)

ConfigFile = Annotated[
    Path, typer.Option("--config", metavar="FILE", help="The prober's own configuration.")
]


@app.callback()
def probe(
    context: typer.Context,
    *,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", metavar="FILE", help="Probe, with this configuration.", show_default=False
        ),
    ] = None,
) -> None:
    """Probe, with --config; or one of the commands below."""
    if context.invoked_subcommand is not None:
        return
    if config is None:
        raise typer.BadParameter("give the prober's configuration: --config FILE")
    from server.programs.probe import run  # noqa: PLC0415 - takes HTTP and more

    run(config)


@app.command("init", cls=RemoteCommand)
def init(
    context: typer.Context,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Where the prober's files go.")],
    *,
    probe_url: Annotated[
        str,
        typer.Option(
            "--probe", metavar="URL", help="The service to probe, as https://otp.example.org."
        ),
    ],
    reason: Reason = "",
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """Make a client and a virtual YubiKey for a prober, and its configuration.

    With --url it is a prober on another host, and gets a token that can only hand in.
    """
    from server.programs.probe_init import CONFIG, Remote, make  # noqa: PLC0415

    remote = given_remote(context)
    door = (
        chosen_data(context, data).admin_socket if remote is None else Remote(remote.url, remote.ca)
    )
    with admin_api(context, data, database) as admin:
        made = make(admin, directory, probe_url, door=door, reason=reason)
    if as_json:
        say_json({**made._asdict(), "directory": str(made.directory)})
        return
    say(f"Made {made.directory}: Client ID {made.client}, virtual YubiKey {made.public_id}.")
    if made.operator is not None:
        say(f"Its token is of the operator {made.operator} and ends in 90 days: replace it then.")
    say(f"Leave the prober out of customers' figures: [usage] left_out = [{made.client}]")
    say(f"Start it with: keystead probe --config {made.directory / CONFIG}")


@app.command("list", cls=RemoteCommand)
def list_(
    context: typer.Context,
    *,
    data: Data = None,
    database: Database = None,
    as_json: Json = False,
) -> None:
    """List who hands in, and how the service stands by each."""
    with admin_api(context, data, database) as admin:
        probers = admin.get("/probers")["probers"]
    if as_json:
        say_json({"probers": probers})
    else:
        table(probers, ["name", "number", "missing", "heard", "failing", "since", "why"])


As = Annotated[
    str, typer.Option("--as", metavar="NAME", help="Who you are: as on the notice board.")
]


@app.command("ack")
def acknowledge(
    *,
    config: ConfigFile,
    person: As,
    text: Annotated[str, typer.Option(help="What you say, for those inside.")] = "",
    as_json: Json = False,
) -> None:
    """Acknowledge the incident that the prober has opened: the response's clock stops."""
    from server.programs.probe_incident import acknowledge as run  # noqa: PLC0415

    _shown(run(config, person, text), as_json=as_json)


@app.command("update")
def update(
    text: Annotated[str, typer.Argument(help="What everybody is told, on the status page too.")],
    *,
    config: ConfigFile,
    person: As,
    as_json: Json = False,
) -> None:
    """Tell everybody something while the server is away."""
    from server.programs.probe_incident import tell as run  # noqa: PLC0415

    _shown(run(config, person, text), as_json=as_json)


@app.command("show")
def show(*, config: ConfigFile, as_json: Json = False) -> None:
    """Show the incident that the prober has opened, with its clocks."""
    from server.programs.probe_incident import show as run  # noqa: PLC0415

    _shown(run(config), as_json=as_json)


def _shown(incident: "dict[str, object] | None", *, as_json: bool) -> None:
    if as_json:
        say_json({"incident": incident})
    elif incident is None:
        say("The prober has no incident: the server has all of them.")
    else:
        fields(incident)
