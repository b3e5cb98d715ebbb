"""One listening socket's place in the workforce: who works on it, and who is to take over."""

import asyncio
from typing import NamedTuple

from server.main import seats
from server.programs.worker_process import Worker


class Duty(NamedTuple):
    """A worker on a slot. watching: done when its process has ended."""

    worker: Worker
    seat: str
    watching: asyncio.Task[None]


class Slot:
    """Who works on a listening socket. relief: a ready successor that is to take over."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.duty: Duty | None = None
        self.seat = seats(number)[0]
        self.relief: Duty | None = None
        self.relieved = asyncio.Event()

    @property
    def other_seat(self) -> str:
        """The seat that nobody on duty has."""
        one, other = seats(self.number)
        return other if self.seat == one else one
