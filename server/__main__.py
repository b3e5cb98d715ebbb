"""`python -m server` and the console script `keystead`."""

import os
import sys


def main() -> None:
    """Run the command line and end the process with its exit code."""
    # Nothing else that happens to be installed has a say in how settings are read; looking for
    # such plugins would also cost every command 40 ms.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from server.programs.cli import main as run  # noqa: PLC0415 - after the line above

    sys.exit(run())


if __name__ == "__main__":
    main()
