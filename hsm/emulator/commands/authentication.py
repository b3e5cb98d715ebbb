"""How sessions begin, which is asked outside of any."""

from hsm.emulator.channel.handshake import POINT_SIZE, Challenged, exchange
from hsm.emulator.channel.scp03 import CHALLENGE_SIZE
from hsm.emulator.channel.sessions import Rights
from hsm.emulator.forms import ec
from hsm.emulator.objects.call import Call
from hsm.emulator.wire.algorithm import Algorithm
from hsm.emulator.wire.kind import Kind
from hsm.emulator.wire.refusal import Refusal, RefusedError


def create_session(call: Call) -> bytes:
    """Begin a session: authentication key(2), and challenge(8) or ephemeral point(65).

    Returns session(1), and challenge(8) cryptogram(8) or ephemeral point(65) receipt(16).
    """
    fields = call.fields()
    record = call.device.store.get(Kind.AUTHENTICATION_KEY, fields.u16())
    host = fields.rest()
    if record is None:
        raise RefusedError(Refusal.OBJECT_NOT_FOUND)
    call.target = record.object_id
    rights = Rights(record.object_id, record.domains, record.capabilities, record.delegated)
    if record.algorithm is Algorithm.EC_P256_YUBICO_AUTHENTICATION:
        return _exchange(call, rights, record.material, host)
    if len(host) != CHALLENGE_SIZE:
        raise RefusedError(Refusal.WRONG_LENGTH)
    card = call.device.random(CHALLENGE_SIZE)
    challenged = Challenged.begin(record.material, host, card)
    number = call.device.sessions.begin(rights, challenged)
    return bytes([number]) + card + challenged.cryptogram()


def _exchange(call: Call, rights: Rights, stored: bytes, host: bytes) -> bytes:
    if len(host) != POINT_SIZE:
        raise RefusedError(Refusal.WRONG_LENGTH)
    curve, device = Algorithm.EC_P256, call.device
    static = ec.private_key(curve, device.identity.static_key)
    ephemeral = ec.private_key(curve, ec.generate(curve, device.random))
    channel, answer = exchange(stored, host, static, ephemeral)
    return bytes([device.sessions.begin(rights, channel)]) + answer


def authenticate_session(call: Call) -> bytes:
    """Open a session that waits for the host's proof: session(1) cryptogram(8) MAC(8)."""
    number = call.fields().u8()
    session = call.device.sessions.get(number)
    call.target = session.rights.key_id
    if not isinstance(session.state, Challenged):
        raise RefusedError(Refusal.INVALID_SESSION)
    try:
        session.state = session.state.authenticate(call.payload)
    except RefusedError:
        call.device.sessions.end(number)
        raise
    return b""
