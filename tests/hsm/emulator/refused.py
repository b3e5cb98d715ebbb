"""Expects the device to say no, and in which words."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from yubihsm.defs import ERROR
from yubihsm.exceptions import YubiHsmDeviceError


@contextmanager
def refused(code: ERROR) -> Iterator[None]:
    """Expect this error code of the device."""
    with pytest.raises(YubiHsmDeviceError) as caught:
        yield
    assert caught.value.code == code
