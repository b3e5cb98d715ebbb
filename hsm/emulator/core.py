"""The device: one message in, one message out. No socket, no file, no clock of its own."""

import secrets
import time
from collections.abc import Callable
from typing import NamedTuple

from hsm.emulator.channel.secure_channel import SecureChannel
from hsm.emulator.dispatch import OUTSIDE, WITHIN, Entry
from hsm.emulator.objects.auditlog import Happened
from hsm.emulator.objects.call import Call
from hsm.emulator.objects.device import Device
from hsm.emulator.objects.identity import Identity
from hsm.emulator.objects.options import Audit
from hsm.emulator.wire import firmware as versions
from hsm.emulator.wire.algorithm import Algorithm
from hsm.emulator.wire.capability import within
from hsm.emulator.wire.command import REPLY, Command
from hsm.emulator.wire.fields import Fields
from hsm.emulator.wire.firmware import Firmware
from hsm.emulator.wire.message import Message, error, reply
from hsm.emulator.wire.refusal import Refusal, RefusedError

# A full log must not lock out those who can empty it. Sessions that begin meanwhile are counted.
_EVEN_WHEN_FULL = frozenset(
    {
        Command.CREATE_SESSION,
        Command.AUTHENTICATE_SESSION,
        Command.CLOSE_SESSION,
        Command.GET_LOG_ENTRIES,
        Command.SET_LOG_INDEX,
    }
)


class Executed(NamedTuple):
    """What the device was busy with, for those who imitate how long that takes."""

    command: Command
    algorithm: Algorithm | None


class Emulator:
    """A YubiHSM 2. Not for several threads at once: the device does one thing at a time.

    clock: seconds that only grow; random: returns so many random octets.
    """

    def __init__(
        self,
        firmware: Firmware = versions.DEFAULT,
        *,
        identity: Identity | None = None,
        fips_model: bool = False,
        clock: Callable[[], float] = time.monotonic,
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        who = identity or Identity.create(random)
        self.device = Device(firmware, who, clock, random, fips_model)
        self.executed: Executed | None = None

    def reboot(self) -> None:
        """Do as when power returns: sessions are gone, objects and log stay."""
        self.device.boot()

    def transceive(self, raw: bytes) -> bytes:
        """Answer a message. It never raises: whatever came, the device says something."""
        self.executed = None
        if len(raw) > self.device.firmware.message_limit:
            return error(Refusal.WRONG_LENGTH)
        try:
            return self._outside(Message.parse(raw))
        except RefusedError as refused:
            return error(refused.refusal)

    def _outside(self, message: Message) -> bytes:
        if message.command == Command.SESSION_MESSAGE:
            return self._session_message(message.payload)
        command = _known(message.command)
        return self._execute(Call(self.device, command, message.payload), OUTSIDE.get(command))

    def _session_message(self, payload: bytes) -> bytes:
        fields = Fields(payload)
        number, sealed = fields.u8(), fields.rest()
        session = self.device.sessions.get(number)
        channel = session.state
        if not isinstance(channel, SecureChannel):
            raise RefusedError(Refusal.INVALID_SESSION)
        try:
            inner = channel.open(number, sealed)
        except RefusedError:
            # Whoever it was: the two ends no longer agree, and never will again.
            self.device.sessions.end(number)
            raise
        call: Call | None = None
        try:
            message = Message.parse(inner)
            command = _known(message.command)
            call = Call(self.device, command, message.payload, session.rights, number)
            answer = self._execute(call, WITHIN.get(command))
        except RefusedError as refused:
            answer = error(refused.refusal)
        sealed_answer = channel.close(number, answer)
        for act in call.after if call else ():
            act()
        return sealed_answer

    def _execute(self, call: Call, entry: Entry | None) -> bytes:
        """Do a command and log it; what is not known is refused and leaves no trace."""
        device = self.device
        if entry is None or device.firmware < entry.since:
            raise RefusedError(Refusal.INVALID_COMMAND)
        audited = device.options.audited(call.command)
        full = device.log.full and device.options.force_audit is not Audit.OFF
        if audited and full and call.command not in _EVEN_WHEN_FULL:
            raise RefusedError(Refusal.LOG_FULL)
        try:
            _permit(call, entry)
            answer = reply(call.command, entry.do(call))
            result = call.command | REPLY
        except RefusedError as refused:
            answer = error(refused.refusal)
            result = refused.refusal
        self.executed = Executed(call.command, call.algorithm)
        if audited:
            self._log(call, result)
        return answer

    def _log(self, call: Call, result: int) -> None:
        device = self.device
        if device.log.full and device.options.force_audit is not Audit.OFF:
            if call.command == Command.AUTHENTICATE_SESSION:
                device.log.unlogged_sessions += 1
                device.version += 1
            return
        length, key = len(call.payload), call.rights.key_id
        happened = Happened(call.command, length, key, call.target, call.second, result)
        device.log.note(happened, device.tick())
        device.version += 1


def _permit(call: Call, entry: Entry) -> None:
    if not within(entry.capability, call.rights.capabilities):
        raise RefusedError(Refusal.INSUFFICIENT_PERMISSIONS)


def _known(number: int) -> Command:
    try:
        return Command(number)
    except ValueError:
        raise RefusedError(Refusal.INVALID_COMMAND) from None
