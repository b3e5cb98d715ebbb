"""The agent as a Windows service: the few calls that the service control manager wants.

Through ctypes, so that nothing more is installed. No Windows was at hand: the calls are tested
against their documented behaviour, on the far side of `Advapi`.
"""

import ctypes
import threading
from collections.abc import Callable
from typing import Any, Protocol

_OWN_PROCESS = 0x10
_STOPPED, _START_PENDING, _STOP_PENDING, _RUNNING = 1, 2, 3, 4
_ACCEPT_STOP, _ACCEPT_SHUTDOWN = 0x1, 0x4
_CONTROL_STOP, _CONTROL_INTERROGATE, _CONTROL_SHUTDOWN = 1, 4, 5
_DONE, _NOT_IMPLEMENTED, _SPECIFIC = 0, 120, 1066
_WAIT_MS = 20_000
_NAME = "KeysteadAgent"


class ServiceStatus(ctypes.Structure):
    """SERVICE_STATUS (winsvc.h)."""

    _fields_ = (
        ("service_type", ctypes.c_uint32),
        ("current_state", ctypes.c_uint32),
        ("controls_accepted", ctypes.c_uint32),
        ("win32_exit_code", ctypes.c_uint32),
        ("service_exit_code", ctypes.c_uint32),
        ("check_point", ctypes.c_uint32),
        ("wait_hint", ctypes.c_uint32),
    )


class Advapi(Protocol):
    """advapi32, as far as a service needs it."""

    def dispatch(self, name: str, main: Callable[[], None]) -> bool:
        """StartServiceCtrlDispatcherW: calls main in another thread, returns after it."""

    def register(self, name: str, handler: Callable[[int], int]) -> int:
        """RegisterServiceCtrlHandlerExW: a handle, 0 = failed."""

    def report(self, handle: int, status: ServiceStatus) -> bool:
        """SetServiceStatus."""


class WindowsService:
    """run: works until `stop` is called."""

    def __init__(self, run: Callable[[], None], stop: Callable[[], None], advapi: Advapi) -> None:
        self._run = run
        self._stop = stop
        self._advapi = advapi
        self._handle = 0
        self._state = _START_PENDING
        self._failed = False
        self._lock = threading.Lock()

    def serve(self) -> int:
        """Be a service until it is stopped; returns the exit code."""
        if not self._advapi.dispatch(_NAME, self._main):
            return 1  # started by a person, not by the service control manager
        return 1 if self._failed else 0

    def _main(self) -> None:
        self._handle = self._advapi.register(_NAME, self._control)
        if not self._handle:
            self._failed = True
            return
        self._tell(_RUNNING)
        try:
            self._run()
        # Whatever ended it: the manager has to hear of it, and starts it again.
        except Exception:  # noqa: BLE001
            self._failed = True
        finally:
            self._tell(_STOPPED)

    def _control(self, control: int) -> int:
        if control in (_CONTROL_STOP, _CONTROL_SHUTDOWN):
            self._tell(_STOP_PENDING)
            self._stop()
            return _DONE
        if control == _CONTROL_INTERROGATE:
            self._tell(self._state)
            return _DONE
        return _NOT_IMPLEMENTED

    def _tell(self, state: int) -> None:
        with self._lock:
            if self._state == _STOPPED:
                return
            self._state = state
            accepted = _ACCEPT_STOP | _ACCEPT_SHUTDOWN if state == _RUNNING else 0
            failed = self._failed and state == _STOPPED
            self._advapi.report(
                self._handle,
                ServiceStatus(
                    _OWN_PROCESS,
                    state,
                    accepted,
                    _SPECIFIC if failed else 0,
                    1 if failed else 0,
                    0,
                    _WAIT_MS if state in (_START_PENDING, _STOP_PENDING) else 0,
                ),
            )


class RealAdvapi:
    """The system's own. Callbacks are kept: ctypes does not."""

    def __init__(self) -> None:
        functions: Any = ctypes
        self._library = functions.WinDLL("advapi32", use_last_error=True)
        self._main_type = functions.WINFUNCTYPE(None, ctypes.c_uint32, ctypes.c_void_p)
        self._handler_type = functions.WINFUNCTYPE(
            ctypes.c_uint32, ctypes.c_uint32, ctypes.c_uint32, ctypes.c_void_p, ctypes.c_void_p
        )
        self._library.RegisterServiceCtrlHandlerExW.restype = ctypes.c_void_p
        self._kept: list[object] = []

    def dispatch(self, name: str, main: Callable[[], None]) -> bool:
        """Hand the table of one service over."""

        class Entry(ctypes.Structure):
            _fields_ = (("name", ctypes.c_wchar_p), ("main", self._main_type))

        callback = self._main_type(lambda _count, _words: main())
        table = (Entry * 2)(Entry(name, callback), Entry(None, self._main_type()))
        self._kept += [callback, table]
        return bool(self._library.StartServiceCtrlDispatcherW(table))

    def register(self, name: str, handler: Callable[[int], int]) -> int:
        """Register what is told of controls."""
        callback = self._handler_type(lambda control, _kind, _data, _context: handler(control))
        self._kept.append(callback)
        return int(self._library.RegisterServiceCtrlHandlerExW(name, callback, None) or 0)

    def report(self, handle: int, status: ServiceStatus) -> bool:
        """Report the state."""
        return bool(self._library.SetServiceStatus(ctypes.c_void_p(handle), ctypes.byref(status)))


def run_as_service(run: Callable[[], None], stop: Callable[[], None]) -> int:
    """Be a service of this Windows; returns the exit code."""
    return WindowsService(run, stop, RealAdvapi()).serve()
