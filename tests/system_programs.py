"""What tests need of the machine: a program or file, or a skip that names the Debian package.

Under CI=true nothing may be skipped: what is missing there fails.
"""

import glob
import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest


def require_program(name: str, *, package: str) -> str:
    """Return the path of a program on PATH (or in Debian's sbin directories)."""
    places = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin"])
    found = shutil.which(name, path=places)
    if found is None:
        missing(f"the program {name}", package=package)
    return found


def require_file(pattern: str, *, package: str) -> Path:
    """Return the first file that matches an absolute glob pattern."""
    found = sorted(glob.glob(pattern))  # noqa: PTH207 - pathlib globs no absolute patterns
    if not found:
        missing(f"a file {pattern}", package=package)
    return Path(found[0])


def missing(what: str, *, package: str) -> NoReturn:
    """Skip the test, or fail it in CI, telling what to install."""
    reason = f"needs {what}: install the package {package}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)
