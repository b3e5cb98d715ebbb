"""Domains, capabilities and delegated capabilities: who may see, use and hand on what."""

import pytest
from yubihsm.core import AuthSession
from yubihsm.defs import ALGORITHM, CAPABILITY, ERROR, OBJECT
from yubihsm.objects import AsymmetricKey, AuthenticationKey, HmacKey, Opaque, WrapKey

from tests.hsm.emulator.conftest import Login
from tests.hsm.emulator.refused import refused


def _opaque(session: AuthSession, domains: int, object_id: int = 0) -> Opaque:
    algorithm = ALGORITHM.OPAQUE_DATA
    return Opaque.put(session, object_id, "data", domains, CAPABILITY.NONE, algorithm, b"content")


def test_what_is_in_other_domains_does_not_exist(admin: AuthSession, login: Login) -> None:
    hidden = _opaque(admin, 0b0110)
    session = login(CAPABILITY.GET_OPAQUE | CAPABILITY.DELETE_OPAQUE, domains=0b1001)
    theirs = hidden.with_session(session)
    assert hidden.id not in {one.id for one in session.list_objects(object_type=OBJECT.OPAQUE)}
    for attempt in (theirs.get, theirs.get_info, theirs.delete):
        with refused(ERROR.OBJECT_NOT_FOUND):
            attempt()
    assert hidden.get() == b"content"


def test_one_shared_domain_suffices(admin: AuthSession, login: Login) -> None:
    shared = _opaque(admin, 0b0110)
    session = login(CAPABILITY.GET_OPAQUE, domains=0b0010)
    assert shared.with_session(session).get() == b"content"


def test_nothing_is_made_outside_ones_own_domains(login: Login) -> None:
    session = login(CAPABILITY.PUT_OPAQUE, domains=0b0011)
    with refused(ERROR.INSUFFICIENT_PERMISSIONS):
        _opaque(session, 0b0111)
    with refused(ERROR.INVALID_DATA):
        _opaque(session, 0)
    _opaque(session, 0b0010)


def test_a_session_needs_the_capability(login: Login) -> None:
    with refused(ERROR.INSUFFICIENT_PERMISSIONS):
        _opaque(login(CAPABILITY.GET_OPAQUE), 1)
    with refused(ERROR.INSUFFICIENT_PERMISSIONS):
        login().get_pseudo_random(8)


def test_an_object_needs_the_capability_as_well(admin: AuthSession) -> None:
    key = AsymmetricKey.generate(admin, 0, "key", 1, CAPABILITY.NONE, ALGORITHM.EC_P256)
    with refused(ERROR.INSUFFICIENT_PERMISSIONS):
        key.sign_ecdsa(b"data")


def test_what_is_handed_on_stays_within_what_was_delegated(login: Login) -> None:
    session = login(
        CAPABILITY.GENERATE_HMAC_KEY | CAPABILITY.SIGN_HMAC, delegated=CAPABILITY.VERIFY_HMAC
    )
    HmacKey.generate(session, 0, "within", 1, CAPABILITY.VERIFY_HMAC)
    with refused(ERROR.INSUFFICIENT_PERMISSIONS):
        # Having a capability oneself is not the right to hand it on.
        HmacKey.generate(session, 0, "beyond", 1, CAPABILITY.SIGN_HMAC)


def test_nobody_delegates_more_than_was_delegated_to_him(login: Login) -> None:
    session = login(
        CAPABILITY.PUT_AUTHENTICATION_KEY | CAPABILITY.GENERATE_WRAP_KEY,
        delegated=CAPABILITY.SIGN_HMAC,
    )
    with refused(ERROR.INSUFFICIENT_PERMISSIONS):
        AuthenticationKey.put_derived(
            session, 0, "heir", 1, CAPABILITY.SIGN_HMAC, CAPABILITY.SIGN_ECDSA, "a password"
        )
    with refused(ERROR.INSUFFICIENT_PERMISSIONS):
        algorithm = ALGORITHM.AES256_CCM_WRAP
        WrapKey.generate(session, 0, "w", 1, CAPABILITY.NONE, algorithm, CAPABILITY.SIGN_ECDSA)


def test_nobody_changes_another_ones_password(login: Login) -> None:
    session = login(CAPABILITY.CHANGE_AUTHENTICATION_KEY)
    with refused(ERROR.INVALID_ID):
        AuthenticationKey(session, 1).change_password("taken over")


def test_a_session_outlives_its_key(admin: AuthSession) -> None:
    AuthenticationKey(admin, 1).delete()
    assert len(admin.get_pseudo_random(8)) == 8


def test_an_id_is_taken_once_per_kind(admin: AuthSession) -> None:
    _opaque(admin, 1, object_id=9)
    with refused(ERROR.OBJECT_EXISTS):
        _opaque(admin, 1, object_id=9)
    HmacKey.generate(admin, 9, "another kind", 1, CAPABILITY.NONE)


def test_the_highest_id_belongs_to_the_device(admin: AuthSession) -> None:
    with refused(ERROR.INVALID_ID):
        _opaque(admin, 1, object_id=0xFFFF)


def test_the_sequence_counts_writes_and_a_reset_clears_it(admin: AuthSession) -> None:
    for expected in range(3):
        stored = _opaque(admin, 1, object_id=9)
        assert stored.get_info().sequence == expected
        assert [one._seq for one in admin.list_objects(object_id=9)] == [expected]
        stored.delete()


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({"object_id": 5}, {5}),
        ({"object_type": OBJECT.HMAC_KEY}, {6}),
        ({"domains": 0b10}, {1, 6}),
        ({"capabilities": CAPABILITY.SIGN_HMAC}, {1, 6}),
        ({"algorithm": ALGORITHM.OPAQUE_DATA}, {5}),
        ({"label": "data"}, {5}),
        ({"label": "data", "object_type": OBJECT.HMAC_KEY}, set()),
    ],
)
def test_lists_hold_what_every_filter_lets_by(
    admin: AuthSession, wanted: dict[str, int], found: set[int]
) -> None:
    _opaque(admin, 0b01, object_id=5)
    HmacKey.generate(admin, 6, "mac", 0b10, CAPABILITY.SIGN_HMAC)
    assert {one.id for one in admin.list_objects(**wanted)} == found  # type: ignore[arg-type]
