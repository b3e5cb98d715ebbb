"""Wrapped objects and data: what may leave, what may come in, and in what form."""

import struct
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESCCM
from yubihsm.core import AuthSession
from yubihsm.defs import ALGORITHM, CAPABILITY, COMMAND, ERROR, OBJECT, ORIGIN
from yubihsm.objects import (
    AsymmetricKey,
    HmacKey,
    Opaque,
    OtpAeadKey,
    PublicWrapKey,
    SymmetricKey,
    WrapKey,
    YhsmObject,
)

from tests.hsm.emulator.conftest import Login
from tests.hsm.emulator.refused import refused

_KEY = bytes(range(32))
_MOVE = CAPABILITY.EXPORT_WRAPPED | CAPABILITY.IMPORT_WRAPPED
_DATA = CAPABILITY.WRAP_DATA | CAPABILITY.UNWRAP_DATA
_HEADER = struct.Struct("!BQHHHBBBB40s")


def _wrap_key(
    session: AuthSession, delegated: CAPABILITY = CAPABILITY.ALL, domains: int = 0xFFFF
) -> WrapKey:
    algorithm = ALGORITHM.AES256_CCM_WRAP
    return WrapKey.put(session, 0, "wrap", domains, _MOVE | _DATA, algorithm, delegated, _KEY)


def _opened(wrapped: bytes) -> bytes:
    return AESCCM(_KEY, 16).decrypt(wrapped[:13], wrapped[13:], None)


def _sealed(plain: bytes) -> bytes:
    return bytes(13) + AESCCM(_KEY, 16).encrypt(bytes(13), plain, None)


def test_data_carries_a_hidden_zero(admin: AuthSession) -> None:
    key = _wrap_key(admin)
    assert _opened(key.wrap_data(b"data")) == b"\0data"
    assert key.unwrap_data(_sealed(b"\0data")) == b"data"


def test_an_exported_object_cannot_be_unwrapped_as_data(admin: AuthSession) -> None:
    key = _wrap_key(admin)
    secret = HmacKey.put(admin, 0, "mac", 1, CAPABILITY.EXPORTABLE_UNDER_WRAP, b"secret")
    with refused(ERROR.INVALID_DATA):
        key.unwrap_data(key.export_wrapped(secret))


def test_wrapped_data_cannot_be_imported_as_an_object(admin: AuthSession) -> None:
    key = _wrap_key(admin)
    with refused(ERROR.INVALID_DATA):
        key.import_wrapped(key.wrap_data(bytes(80)))


def test_tampered_wraps_do_not_open(admin: AuthSession) -> None:
    key = _wrap_key(admin)
    for at in (0, 14, -1):
        wrapped = bytearray(key.wrap_data(b"data"))
        wrapped[at] ^= 1
        with refused(ERROR.INVALID_DATA):
            key.unwrap_data(bytes(wrapped))


def test_what_does_not_say_it_may_leave_stays(admin: AuthSession) -> None:
    key = _wrap_key(admin)
    kept = HmacKey.generate(admin, 0, "kept", 1, CAPABILITY.SIGN_HMAC)
    with refused(ERROR.INSUFFICIENT_PERMISSIONS):
        key.export_wrapped(kept)


def test_the_export_is_the_form_that_yubicos_tools_write(admin: AuthSession) -> None:
    key = _wrap_key(admin)
    capabilities = CAPABILITY.EXPORTABLE_UNDER_WRAP | CAPABILITY.SIGN_HMAC
    secret = HmacKey.put(admin, 0x0102, "mac", 0x0305, capabilities, b"secret")
    plain = _opened(key.export_wrapped(secret))
    fields = _HEADER.unpack(plain[:59])
    algorithm, kind = ALGORITHM.HMAC_SHA256, OBJECT.HMAC_KEY
    expected = (ALGORITHM.AES256_CCM_WRAP, capabilities, 0x0102, 128, 0x0305, kind, algorithm)
    assert fields[:-1] == (*expected, 0, ORIGIN.IMPORTED)
    block = b"secret".ljust(64, b"\0")
    inner, outer = bytes(one ^ 0x36 for one in block), bytes(one ^ 0x5C for one in block)
    assert plain[59:] == inner + outer


_MAY = CAPABILITY.EXPORTABLE_UNDER_WRAP
_MAKE: dict[str, Callable[[AuthSession], YhsmObject]] = {
    "asymmetric": lambda hsm: AsymmetricKey.generate(hsm, 9, "k", 1, _MAY, ALGORITHM.EC_P384),
    "rsa": lambda hsm: AsymmetricKey.generate(hsm, 9, "k", 1, _MAY, ALGORITHM.RSA_2048),
    "hmac": lambda hsm: HmacKey.generate(hsm, 9, "k", 1, _MAY),
    "opaque": lambda hsm: Opaque.put(hsm, 9, "k", 1, _MAY, ALGORITHM.OPAQUE_DATA, b"data"),
    "otp": lambda hsm: OtpAeadKey.generate(
        hsm, 9, "k", 1, _MAY, ALGORITHM.AES192_YUBICO_OTP, 0x01020304
    ),
    "symmetric": lambda hsm: SymmetricKey.generate(hsm, 9, "k", 1, _MAY, ALGORITHM.AES192),
    "wrap": lambda hsm: WrapKey.generate(
        hsm, 9, "k", 1, _MAY, ALGORITHM.AES128_CCM_WRAP, CAPABILITY.SIGN_HMAC
    ),
}


@pytest.mark.parametrize("kind", sorted(_MAKE))
def test_every_kind_travels_and_comes_back_the_same(admin: AuthSession, kind: str) -> None:
    key = _wrap_key(admin)
    made = _MAKE[kind](admin)
    before, wrapped = made.get_info(), key.export_wrapped(made)
    made.delete()
    after = key.import_wrapped(wrapped).get_info()
    assert after.origin == before.origin | ORIGIN.IMPORTED_WRAPPED
    for name in ("size", "domains", "algorithm", "label", "delegated_capabilities"):
        assert getattr(after, name) == getattr(before, name)


def test_a_wrap_key_brings_in_no_more_than_it_may_pass_on(admin: AuthSession) -> None:
    wide = _wrap_key(admin)
    narrow = _wrap_key(admin, CAPABILITY.EXPORTABLE_UNDER_WRAP)
    secret = HmacKey.generate(
        admin, 0, "mac", 1, CAPABILITY.EXPORTABLE_UNDER_WRAP | CAPABILITY.SIGN_HMAC
    )
    wrapped = wide.export_wrapped(secret)
    secret.delete()
    with refused(ERROR.INSUFFICIENT_PERMISSIONS):
        narrow.import_wrapped(wrapped)
    wide.import_wrapped(wrapped)


def test_a_session_brings_in_no_more_than_it_may_hand_on(admin: AuthSession, login: Login) -> None:
    key = _wrap_key(admin)
    secret = HmacKey.generate(admin, 0, "mac", 1, _MAY | CAPABILITY.SIGN_HMAC)
    wrapped = key.export_wrapped(secret)
    secret.delete()
    with refused(ERROR.INSUFFICIENT_PERMISSIONS):
        key.with_session(login(CAPABILITY.IMPORT_WRAPPED, _MAY)).import_wrapped(wrapped)
    enough = login(CAPABILITY.IMPORT_WRAPPED, _MAY | CAPABILITY.SIGN_HMAC)
    key.with_session(enough).import_wrapped(wrapped)


def test_nothing_comes_into_foreign_domains(admin: AuthSession, login: Login) -> None:
    key = _wrap_key(admin)
    secret = HmacKey.generate(admin, 0, "mac", 0b100, CAPABILITY.EXPORTABLE_UNDER_WRAP)
    wrapped = key.export_wrapped(secret)
    secret.delete()
    session = login(CAPABILITY.IMPORT_WRAPPED, _MAY, domains=0b011)
    with refused(ERROR.INSUFFICIENT_PERMISSIONS):
        key.with_session(session).import_wrapped(wrapped)


def test_what_a_holder_of_the_wrap_key_made_up_is_judged(admin: AuthSession) -> None:
    key = _wrap_key(admin)
    secret = AsymmetricKey.generate(
        admin, 9, "k", 1, CAPABILITY.EXPORTABLE_UNDER_WRAP, ALGORITHM.EC_P256
    )
    plain = _opened(key.export_wrapped(secret))
    secret.delete()
    broken = [
        plain[:-1],  # shorter than it says
        plain[:-1] + bytes([plain[-1] ^ 1]),  # a public key of another
        plain[:9] + bytes(2) + plain[11:],  # the id of the built-in key
        bytes([ALGORITHM.AES128_CCM_WRAP]) + plain[1:],  # wrapped with something else
        plain[:15] + b"\x77" + plain[16:],  # of no kind
    ]
    for one in broken:
        with refused(ERROR.INVALID_DATA):
            key.import_wrapped(_sealed(one))
    key.import_wrapped(_sealed(plain))


def test_an_ed25519_key_without_its_seed_signs_the_same(admin: AuthSession) -> None:
    key = _wrap_key(admin)
    private = ed25519.Ed25519PrivateKey.generate()
    capabilities = CAPABILITY.SIGN_EDDSA | CAPABILITY.EXPORTABLE_UNDER_WRAP
    original = AsymmetricKey.put(admin, 9, "k", 1, capabilities, private)
    seedless, whole = (key.export_wrapped(original, seed) for seed in (False, True))
    assert (len(_opened(seedless)), len(_opened(whole))) == (59 + 96, 59 + 128)
    for wrapped in (seedless, whole):
        AsymmetricKey(admin, 9).delete()
        moved = key.import_wrapped(wrapped)
        assert isinstance(moved, AsymmetricKey)
        assert moved.sign_eddsa(b"message") == private.sign(b"message")


def test_a_foreign_public_half_of_an_ed25519_key_is_refused(admin: AuthSession) -> None:
    # Signing under it twice would give the private scalar away.
    key = _wrap_key(admin)
    made = AsymmetricKey.generate(
        admin, 9, "k", 1, CAPABILITY.EXPORTABLE_UNDER_WRAP, ALGORITHM.EC_ED25519
    )
    plain = _opened(key.export_wrapped(made))
    made.delete()
    foreign = ed25519.Ed25519PrivateKey.generate().public_key().public_bytes_raw()
    with refused(ERROR.INVALID_DATA):
        key.import_wrapped(_sealed(plain[:-32] + foreign))


def test_an_rsa_wrap_key_moves_objects_between_devices(admin: AuthSession) -> None:
    private = rsa.generate_private_key(65537, 2048)
    everything = CAPABILITY.ALL
    public = PublicWrapKey.put(
        admin, 0, "out", 1, CAPABILITY.EXPORT_WRAPPED, everything, private.public_key()
    )
    back = WrapKey.put(
        admin, 0, "in", 1, CAPABILITY.IMPORT_WRAPPED, ALGORITHM.RSA_2048, everything, private
    )
    made = HmacKey.put(
        admin, 9, "k", 1, CAPABILITY.EXPORTABLE_UNDER_WRAP | CAPABILITY.SIGN_HMAC, b"secret"
    )
    mac = made.sign_hmac(b"data")
    wrapped = public.export_wrapped_rsa(made, oaep_label=b"a label")
    made.delete()
    with refused(ERROR.INVALID_DATA):
        back.import_wrapped_rsa(wrapped, oaep_label=b"another")
    with refused(ERROR.INVALID_DATA):
        back.import_wrapped_rsa(wrapped[:-1] + b"\0", oaep_label=b"a label")
    moved = back.import_wrapped_rsa(wrapped, oaep_label=b"a label")
    assert isinstance(moved, HmacKey)
    assert moved.sign_hmac(b"data") == mac


def test_a_raw_key_of_another_algorithm_is_refused(admin: AuthSession) -> None:
    private = rsa.generate_private_key(65537, 2048)
    public = PublicWrapKey.put(
        admin, 0, "o", 1, CAPABILITY.EXPORT_WRAPPED, CAPABILITY.ALL, private.public_key()
    )
    back = WrapKey.put(
        admin, 0, "i", 1, CAPABILITY.IMPORT_WRAPPED, ALGORITHM.RSA_2048, CAPABILITY.ALL, private
    )
    made = AsymmetricKey.generate(
        admin, 0, "k", 1, CAPABILITY.EXPORTABLE_UNDER_WRAP, ALGORITHM.EC_P256
    )
    wrapped = public.export_raw_key(made)
    for kind, algorithm in (
        (OBJECT.ASYMMETRIC_KEY, ALGORITHM.EC_K256),
        (OBJECT.SYMMETRIC_KEY, ALGORITHM.AES256),
        (OBJECT.HMAC_KEY, ALGORITHM.HMAC_SHA256),
    ):
        with refused(ERROR.INVALID_DATA):
            back.import_raw_key(0, kind, "k", 1, CAPABILITY.NONE, algorithm, wrapped)


_RAW: dict[str, ALGORITHM] = {
    "rsa": ALGORITHM.RSA_2048,
    "ec": ALGORITHM.EC_BP384,
    "ed25519": ALGORITHM.EC_ED25519,
}


@pytest.mark.parametrize("name", sorted(_RAW))
def test_a_raw_key_comes_back_as_the_same_key(admin: AuthSession, name: str) -> None:
    private = rsa.generate_private_key(65537, 2048)
    public = PublicWrapKey.put(
        admin, 0, "o", 1, CAPABILITY.EXPORT_WRAPPED, CAPABILITY.ALL, private.public_key()
    )
    back = WrapKey.put(
        admin, 0, "i", 1, CAPABILITY.IMPORT_WRAPPED, ALGORITHM.RSA_2048, CAPABILITY.ALL, private
    )
    made = AsymmetricKey.generate(admin, 0, "k", 1, _MAY, _RAW[name])
    wrapped = public.export_raw_key(made)
    kind = OBJECT.ASYMMETRIC_KEY
    moved = back.import_raw_key(0, kind, "k", 1, CAPABILITY.NONE, _RAW[name], wrapped)
    assert isinstance(moved, AsymmetricKey)
    assert moved.get_public_key() == made.get_public_key()  # type: ignore[no-untyped-call]


def test_an_ed25519_key_without_its_seed_cannot_leave_as_a_raw_key(admin: AuthSession) -> None:
    key = _wrap_key(admin)
    made = AsymmetricKey.generate(admin, 9, "k", 1, _MAY, ALGORITHM.EC_ED25519)
    wrapped = key.export_wrapped(made)
    made.delete()
    key.import_wrapped(wrapped)
    modulus = rsa.generate_private_key(65537, 2048).public_key()
    public = PublicWrapKey.put(admin, 0, "o", 1, CAPABILITY.EXPORT_WRAPPED, CAPABILITY.ALL, modulus)
    with refused(ERROR.INVALID_DATA):
        public.export_raw_key(made)


def test_only_keys_leave_raw(admin: AuthSession) -> None:
    modulus = rsa.generate_private_key(65537, 2048).public_key()
    public = PublicWrapKey.put(admin, 0, "o", 1, CAPABILITY.EXPORT_WRAPPED, CAPABILITY.ALL, modulus)
    secret = HmacKey.generate(admin, 0, "k", 1, _MAY)
    with refused(ERROR.INVALID_DATA):
        public.export_raw_key(secret)  # type: ignore[arg-type]


def test_a_modulus_that_is_none_is_refused(admin: AuthSession) -> None:
    head = bytes(2 + 40) + b"\0\1" + bytes(8) + bytes([ALGORITHM.RSA_2048]) + bytes(8)
    for modulus in (bytes(255) + b"\1", b"\xff" * 255 + b"\xfe"):
        with refused(ERROR.INVALID_DATA):
            admin.send_secure_cmd(COMMAND.PUT_PUBLIC_WRAP_KEY, head + modulus)
