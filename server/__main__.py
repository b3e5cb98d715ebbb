"""`python -m server` and the console script `keystead`."""

import sys


def main() -> None:
    """Run the command line and end the process with its exit code."""
    from server.programs.cli import main as run  # noqa: PLC0415 - nothing before it can fail

    sys.exit(run())


if __name__ == "__main__":
    main()
