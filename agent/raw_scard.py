"""pyscard's raw layer, without what its package loads first.

That is its pleasant layer: threads that poll, and classes that take cards for themselves. Not to
load it saves a tenth of a start, and a mebibyte for as long as the agent runs.
"""

import importlib
import importlib.util
import sys
from typing import Any

_PACKAGE = "smartcard"


def load() -> Any:  # noqa: ANN401 - a module made by SWIG
    """Return `smartcard.scard`. ModuleNotFoundError names pyscard's package."""
    if _PACKAGE in sys.modules:
        return importlib.import_module(f"{_PACKAGE}.scard")
    found = importlib.util.find_spec(_PACKAGE)
    if found is None:
        raise ModuleNotFoundError(f"No module named {_PACKAGE!r}", name=_PACKAGE)
    sys.modules[_PACKAGE] = importlib.util.module_from_spec(found)
    try:
        return importlib.import_module(f"{_PACKAGE}.scard")
    finally:
        # Whoever wants the whole package still gets it whole.
        del sys.modules[_PACKAGE]
