"""The log and the options."""

from hsm.emulator.objects.call import Call, known_algorithm
from hsm.emulator.objects.options import Audit, Fips, Option
from hsm.emulator.wire.command import Command
from hsm.emulator.wire.fields import Fields
from hsm.emulator.wire.refusal import Refusal, RefusedError


def log_entries(call: Call) -> bytes:
    """Return all entries, with the counts of what could not be logged."""
    call.fields().end()
    return call.device.log.encode()


def set_log_index(call: Call) -> bytes:
    """Forget the entries up to a number(2), which the client has stored elsewhere."""
    fields = call.fields()
    up_to = fields.u16()
    fields.end()
    call.device.log.forget(up_to)
    call.device.version += 1
    return b""


def get_option(call: Call) -> bytes:
    """Return an option: number(1)."""
    fields = call.fields()
    number = fields.u8()
    fields.end()
    options = call.device.options
    if number == Option.FORCE_AUDIT:
        return bytes([options.force_audit])
    if number == Option.COMMAND_AUDIT:
        return b"".join(bytes(pair) for pair in options.audit.items())
    if number == Option.ALGORITHM_TOGGLE:
        return b"".join(bytes(pair) for pair in options.enabled.items())
    if number == Option.FIPS_MODE and options.fips_model:
        return bytes([_fips(call)])
    raise RefusedError(Refusal.INVALID_DATA)


def set_option(call: Call) -> bytes:
    """Change an option: number(1) length(2) value. All of it or nothing."""
    fields = call.fields()
    number = fields.u8()
    value = Fields(fields.take(fields.u16()))
    fields.end()
    options = call.device.options
    if number == Option.FORCE_AUDIT:
        audit = _audit(value.u8())
        value.end()
        _refuse_fixed(options.force_audit, audit)
        options.force_audit = audit
    elif number == Option.COMMAND_AUDIT:
        _set_command_audit(call, value)
    elif number == Option.ALGORITHM_TOGGLE:
        _toggle(call, value)
    elif number == Option.FIPS_MODE and options.fips_model:
        _set_fips(call, value)
    else:
        raise RefusedError(Refusal.INVALID_DATA)
    call.device.version += 1
    return b""


def _audit(number: int) -> Audit:
    try:
        return Audit(number)
    except ValueError:
        raise RefusedError(Refusal.INVALID_DATA) from None


def _refuse_fixed(current: Audit, wanted: Audit) -> None:
    if current is Audit.FIXED and wanted is not Audit.FIXED:
        raise RefusedError(Refusal.INSUFFICIENT_PERMISSIONS)


def _set_command_audit(call: Call, value: Fields) -> None:
    audit = call.device.options.audit
    wanted: dict[Command, Audit] = {}
    while len(value):
        number, setting = value.u8(), _audit(value.u8())
        if number not in audit:
            raise RefusedError(Refusal.INVALID_DATA)
        command = Command(number)
        _refuse_fixed(audit[command], setting)
        wanted[command] = setting
    audit.update(wanted)


def _toggle(call: Call, value: Fields) -> None:
    options = call.device.options
    if not call.device.fresh():
        raise RefusedError(Refusal.INVALID_DATA)
    wanted = [(known_algorithm(value.u8()), bool(value.u8())) for _ in range(len(value) // 2)]
    value.end()
    if any(algorithm not in options.enabled for algorithm, _ in wanted):
        raise RefusedError(Refusal.INVALID_DATA)
    forbidden = any(on and algorithm in options.not_approved for algorithm, on in wanted)
    if forbidden and options.fips is not Fips.OFF:
        if options.strict_fips:
            raise RefusedError(Refusal.INVALID_DATA)
        options.fips = Fips.OFF
    options.enabled.update(wanted)


def _set_fips(call: Call, value: Fields) -> None:
    options = call.device.options
    on = bool(value.u8())
    value.end()
    if not call.device.fresh():
        raise RefusedError(Refusal.INVALID_DATA)
    if not on:
        options.fips = Fips.OFF
    else:
        options.fips = Fips.PENDING if options.strict_fips else Fips.ON
    options.enabled.update(dict.fromkeys(options.not_approved, not on))


def _fips(call: Call) -> Fips:
    options = call.device.options
    if options.fips is Fips.PENDING and not call.device.factory_key_works():
        options.fips = Fips.ON
    return options.fips
