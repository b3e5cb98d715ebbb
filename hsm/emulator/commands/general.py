"""What the device says of itself, and what touches no object."""

from hsm.emulator.forms import ec
from hsm.emulator.objects.auditlog import ENTRIES
from hsm.emulator.objects.call import Call
from hsm.emulator.objects.identity import PART_NUMBER
from hsm.emulator.wire.algorithm import Algorithm, known_to
from hsm.emulator.wire.firmware import PART_NUMBER as WITH_PART_NUMBER
from hsm.emulator.wire.refusal import Refusal, RefusedError

_ROOM = 27
"""Octets of a message that a session's wrapping and two headers take, in the worst case."""


def echo(call: Call) -> bytes:
    """Return what came."""
    return call.payload


def device_info(call: Call) -> bytes:
    """Return the first page (version, serial, log, algorithms), or the second: the part number."""
    device = call.device
    if call.payload not in {b"", b"\0"}:
        if call.payload != b"\1" or device.firmware < WITH_PART_NUMBER:
            raise RefusedError(Refusal.INVALID_DATA)
        return PART_NUMBER.encode()
    head = bytes(device.firmware) + device.identity.serial.to_bytes(4)
    return head + bytes([ENTRIES, len(device.log)]) + bytes(known_to(device.firmware))


def device_public_key(call: Call) -> bytes:
    """Return the static key with which EC sessions begin: algorithm(1) x(32) y(32)."""
    call.fields().end()
    point = ec.public(Algorithm.EC_P256, call.device.identity.static_key)
    return bytes([Algorithm.EC_P256_YUBICO_AUTHENTICATION]) + point


def pseudo_random(call: Call) -> bytes:
    """Return so many random octets: length(2)."""
    fields = call.fields()
    length = fields.u16()
    fields.end()
    if length > call.device.firmware.message_limit - _ROOM:
        raise RefusedError(Refusal.INVALID_DATA)
    return call.device.random(length)


def blink(call: Call) -> bytes:
    """Take the seconds to blink. There is no light."""
    fields = call.fields()
    fields.u8()
    fields.end()
    return b""


def close_session(call: Call) -> bytes:
    """End the session once it has been told."""
    call.fields().end()
    number = call.session
    if number is not None:
        call.after.append(lambda: call.device.sessions.end(number))
    return b""


def reset_device(call: Call) -> bytes:
    """Return to the factory's state once the client has been told."""
    call.fields().end()
    call.after.append(call.device.reset)
    return b""


def storage_info(call: Call) -> bytes:
    """Return objects and pages, all and free, and a page's size."""
    call.fields().end()
    return call.device.store.usage()
