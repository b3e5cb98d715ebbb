"""Who is at the other end of a Unix socket, as the kernel knows it."""

import asyncio
import socket
import struct
import sys

_UCRED = struct.Struct("=iII")
"""Linux, unix(7): pid, uid, gid of SO_PEERCRED."""

_XUCRED = struct.Struct("=2IhxxI")
"""macOS and the BSDs, unix(4): version, uid, number of groups, first group of LOCAL_PEERCRED."""

_XUCRED_VERSION = 0
_XUCRED_SIZE = 76
_SOL_LOCAL = 0
_LOCAL_PEERCRED = 1


def parse_ucred(octets: bytes) -> int:
    """Return the user id of a Linux `struct ucred`."""
    _, uid, _ = _UCRED.unpack(octets)
    return int(uid)


def parse_xucred(octets: bytes) -> int | None:
    """Return the user id of a BSD `struct xucred`, None for one of another version."""
    if len(octets) < _XUCRED.size:
        return None
    version, uid, _, _ = _XUCRED.unpack_from(octets)
    return int(uid) if version == _XUCRED_VERSION else None


def peer_uid(transport: asyncio.BaseTransport | None) -> int | None:
    """Return the user id of the process that connected; None when it cannot be told.

    The kernel notes it at `connect`; nothing the peer sends can change it.
    """
    sock = None if transport is None else transport.get_extra_info("socket")
    if sock is None or sock.family != socket.AF_UNIX:
        return None
    try:
        if sys.platform == "linux":
            level, option, size = socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size
        else:
            level, option, size = _SOL_LOCAL, _LOCAL_PEERCRED, _XUCRED_SIZE
        octets = sock.getsockopt(level, option, size)
    except OSError:
        return None  # gone already
    return parse_ucred(octets) if sys.platform == "linux" else parse_xucred(octets)
