"""Free ports of the loopback interface."""

import socket


def free_port() -> int:
    """Return a TCP port that nobody listens on at this moment; a service can come back to it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
