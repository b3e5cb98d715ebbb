"""Where a door listens: `HOST:PORT` as an operator writes it."""

from typing import NamedTuple


class Address(NamedTuple):
    """Where to listen. port 0 asks the system for a free one."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read `HOST:PORT`, an IPv6 host in brackets; ValueError says what to write instead."""
        host, separator, port = text.rpartition(":")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host:
            raise ValueError("an IPv6 address is written in brackets, as in [::1]:8080")
        if not separator or not host or not (port.isascii() and port.isdecimal()):
            raise ValueError("an address is written HOST:PORT, as in 127.0.0.1:8080")
        if int(port) > 65535:  # noqa: PLR2004 - the largest TCP port
            raise ValueError("a port is a number from 0 to 65535")
        return cls(host, int(port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
