"""Relays between a key and the enrolled server, which reads the key through channels of its own.

The server makes the commands and reads the answers; here they are only carried, as far as
`whitelist_channel` lets them. Nobody else is relayed for: what is to be said to the key is signed
by the server that this host is enrolled with (`server_voice`), as an answer to this host.

The key is held from its first answer to its last, so all of it has one deadline, that of a
reading, and the server's first word is asked for before. Several commands come at once: the key
is held for two round trips.
"""

import base64
import binascii
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from agent.apdu import MANAGEMENT, select
from agent.applications.management import read_pages
from agent.findings import Findings, GarbageError
from agent.http_client import UnreachableError
from agent.ports import (
    CardBusyError,
    CardRemovedError,
    Cards,
    PcscAwayError,
    ReaderFailedError,
)
from agent.probing import DEADLINE_S, LateError, Talk
from agent.proof_wire import CHANNEL_CONTEXT, CHANNELS
from agent.report import Identity
from agent.server_voice import RefusedError, WrongServerError
from agent.whitelist import ForbiddenCommandError, read_config

MAX_COMMANDS = 16
_MAX_COMMAND_OCTETS = 261
_MAX_STEPS = 8
_PATIENCE_S = 10.0
"""For the server's first word, with no key held."""

_CARD_TROUBLE = (
    CardBusyError,
    CardRemovedError,
    ReaderFailedError,
    PcscAwayError,
    GarbageError,
    LateError,
)


class RelayError(Exception):
    """Nothing was proved. The message is for people."""


class Voice(Protocol):
    """The enrolled server."""

    def ask(
        self, path: str, context: bytes, value: Mapping[str, Any], within_s: float
    ) -> Mapping[str, Any]:
        """Ask it. UnreachableError, RefusedError, WrongServerError."""
        ...


class Wanted(NamedTuple):
    """A key that is to prove itself. key: how it is reported; serial: its number; ways: how."""

    reader: str
    serial: int
    key: Identity
    ways: tuple[str, ...] = ()


class _Step(NamedTuple):
    """What the server said. done: what the facts are worth; "" while there are commands."""

    channel: str
    step: int
    commands: tuple[bytes, ...]
    last: bool
    done: str


class Relaying:
    """cards: those of this class of commands (`whitelist_channel`)."""

    def __init__(self, cards: Cards, voice: Voice, monotonic: Callable[[], float]) -> None:
        self._cards = cards
        self._voice = voice
        self._monotonic = monotonic
        self._id = ""

    def relay(self, wanted: Wanted, deadline_s: float = DEADLINE_S) -> str:
        """Relay until the server has read the key. Return what its facts are worth. RelayError."""
        try:
            self._id = secrets.token_hex(16)
            step = self._ask(wanted.key, None, (), _PATIENCE_S)
            return self._hold(wanted, step, self._monotonic() + deadline_s)
        except UnreachableError as error:
            raise RelayError(f"the server did not answer in time: {error}") from None
        except RefusedError as error:
            raise RelayError(f"the server refused: {error}") from None
        except WrongServerError as error:
            raise RelayError(str(error)) from None
        except ForbiddenCommandError as error:
            raise RelayError(
                f"the server wanted to say to the key what this agent says to none: {error}"
            ) from None
        except LateError:
            raise RelayError("key and server took longer than a key may be held") from None
        except _CARD_TROUBLE as error:
            why = str(error) or type(error).__name__
            raise RelayError(f"the key could not be asked: {why}") from None

    def _hold(self, wanted: Wanted, step: _Step, until: float) -> str:
        card = self._cards.open(wanted.reader)
        try:
            talk = Talk(card, self._monotonic, until)
            self._check(talk, wanted.serial)
            for _ in range(_MAX_STEPS):
                answers = [_octets(talk, command) for command in step.commands]
                if step.last:
                    break
                step = self._ask(wanted.key, step, answers, until - self._monotonic())
                if step.done:
                    return step.done
            else:
                raise RelayError("the server asks without an end")
        finally:
            card.close()
        end = self._ask(wanted.key, step, answers, _PATIENCE_S)
        if not end.done:
            raise RelayError("the server asks on, after what it called the last")
        return end.done

    def _check(self, talk: Talk, serial: int) -> None:
        """Make sure that it is still the key which was read: another one may be there by now."""
        found = Findings()
        talk.ask(select(MANAGEMENT))
        read_pages([talk.ask(read_config(0)).data], found)
        if found.serial != serial:
            raise RelayError("another key is in the reader by now")

    def _ask(
        self, key: Identity, step: _Step | None, answers: Sequence[bytes], within_s: float
    ) -> _Step:
        if within_s <= 0:
            raise LateError
        asked = {
            "id": self._id,  # this host's own randomness: an old answer is none to this
            "channel": None if step is None else step.channel,
            "step": 0 if step is None else step.step,
            "key": {name: value for name, value in key._asdict().items() if value is not None},
            "answers": [base64.b64encode(one).decode() for one in answers],
        }
        told = _read(self._voice.ask(CHANNELS, CHANNEL_CONTEXT, asked, within_s))
        if step is not None and (
            told.channel != step.channel or (not told.done and told.step != step.step + 1)
        ):
            raise RelayError("the server speaks of another channel")
        return told


def _octets(talk: Talk, command: bytes) -> bytes:
    answer = talk.ask(command)
    return answer.data + answer.status.to_bytes(2, "big")


def _read(told: Mapping[str, Any]) -> _Step:
    channel, done, commands = told.get("channel"), told.get("done"), told.get("commands", [])
    step, trust = told.get("step", 0), told.get("trust", "")
    if not isinstance(channel, str) or type(step) is not int or not isinstance(trust, str):
        raise RelayError("the server says something that is no step of a channel")
    if done is True:
        return _Step(channel, step, (), last=True, done=trust or "unproven")
    if not isinstance(commands, list) or not 0 < len(commands) <= MAX_COMMANDS:
        raise RelayError("the server has no commands, or too many")
    read = tuple(map(_command, commands))
    return _Step(channel, step, read, last=told.get("last") is True, done="")


def _command(found: object) -> bytes:
    try:
        octets = base64.b64decode(found, validate=True) if isinstance(found, str) else b""
    except (binascii.Error, ValueError):
        octets = b""
    if not 4 < len(octets) <= _MAX_COMMAND_OCTETS:  # noqa: PLR2004 - a header, and something
        raise RelayError("the server says something that is no command")
    return octets
