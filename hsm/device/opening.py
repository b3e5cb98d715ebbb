"""One session for one task, begun and ended here: ceremonies, audits, start-up, provisioning."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from yubihsm.core import AuthSession
from yubihsm.exceptions import YubiHsmError

from hsm.device.line import Device, Line
from hsm.device.session import Login, begin, greet, translated


@contextmanager
def open_session(device: Device, login: Login) -> Iterator[AuthSession]:
    """Lend the library's session for as long as the block lasts, and end it.

    Every command has the deadline of the device's connection. What the library raises inside the
    block arrives outside as DeviceError (`hsm.device.errors`) or InvalidOtpError. Nothing is
    asked twice. Not for several threads.
    """
    line = Line(device)
    try:
        session = begin(greet(line, device.where), device.where, login)
        try:
            yield session
        except YubiHsmError as error:
            raise translated(error, device.where) from None
        finally:
            # What was asked has been answered or has failed by now; this only frees a place.
            with suppress(YubiHsmError, ValueError, IndexError, TypeError):
                session.close()
    finally:
        line.close()
