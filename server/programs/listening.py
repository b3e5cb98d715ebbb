"""Listening sockets: the control process makes them, so that they outlive a dead worker."""

import asyncio
import errno
import socket

from server.address import Address
from server.programs.unix_sockets import BACKLOG, ListenError

ORPHANS_CLOSE_WITHIN_S = 3.0
"""How long workers of a killed control process may need until their sockets are closed."""

_RETRY_S = 0.1


def _resolve(address: Address, option: str) -> tuple[socket.AddressFamily, tuple[object, ...]]:
    try:
        found = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        raise ListenError(
            f"{address} is not an address of this machine ({error.strerror or error})."
            f" Change {option}"
        ) from error
    family, _, _, _, where = found[0]
    return family, where


def _bind(
    family: socket.AddressFamily, where: tuple[object, ...], *, shared: bool
) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(where)
        made.setblocking(False)
    except OSError:
        made.close()
        raise
    return made


async def listen(address: Address, slots: int, option: str) -> list[socket.socket]:
    """Return `slots` listening sockets on one address; ListenError. option: for the message.

    Several slots share the port (SO_REUSEPORT: the kernel spreads new connections). That
    would also let a stranger's sockets of the same user join in silently, so a plain bind
    comes first: it fails while anybody else listens.
    """
    family, where = _resolve(address, option)
    plain = await _bind_alone(family, where, address, option)
    if slots == 1:
        plain.listen(BACKLOG)
        return [plain]
    where = plain.getsockname()  # port 0 has become a number
    plain.close()
    made: list[socket.socket] = []
    try:
        for _ in range(slots):
            made.append(_bind(family, where, shared=True))
            made[-1].listen(BACKLOG)
    except OSError as error:
        for one in made:
            one.close()
        raise _refused(address, option, error) from error
    return made


async def _bind_alone(
    family: socket.AddressFamily, where: tuple[object, ...], address: Address, option: str
) -> socket.socket:
    loop = asyncio.get_running_loop()
    give_up = loop.time() + ORPHANS_CLOSE_WITHIN_S
    while True:
        try:
            return _bind(family, where, shared=False)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or loop.time() >= give_up:
                raise _refused(address, option, error) from error
        await asyncio.sleep(_RETRY_S)


def _refused(address: Address, option: str, error: OSError) -> ListenError:
    if error.errno == errno.EADDRINUSE:
        return ListenError(f"another program listens on {address}. Stop it, or change {option}")
    if error.errno in {errno.EACCES, errno.EPERM}:
        return ListenError(
            f"this user may not listen on {address}: ports below 1024 need a privilege"
            f" (CAP_NET_BIND_SERVICE). Choose a higher port with {option}"
        )
    return ListenError(f"cannot listen on {address}: {error.strerror}. Change {option}")
