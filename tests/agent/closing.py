"""Stores and clients that a test opens and the fixture `closed` closes."""

from pathlib import Path
from typing import Protocol

from agent.http_client import Client
from agent.server_url import parse_server_url
from agent.store import MAX_WAITING, Store


class _Closes(Protocol):
    def close(self) -> None: ...


_OPENED: list[_Closes] = []


def opened(directory: Path, max_waiting: int = MAX_WAITING) -> Store:
    """Open a store."""
    store = Store(directory, max_waiting)
    _OPENED.append(store)
    return store


def client(url: str, ca_file: str = "") -> Client:
    """Return a client of a server."""
    asking = Client(parse_server_url(url), ca_file, "tests")
    _OPENED.append(asking)
    return asking


def close_all() -> None:
    """Close what this test opened."""
    while _OPENED:
        _OPENED.pop().close()
