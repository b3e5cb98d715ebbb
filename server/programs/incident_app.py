"""`keystead incident ...`: the one group that several modules add their commands to."""

from server.programs.remote_options import RemoteTyper

app = RemoteTyper(
    help="Incidents, and the ledger that they and availability are proved with.",
    no_args_is_help=True,
)
