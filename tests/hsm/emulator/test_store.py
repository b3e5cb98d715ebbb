"""Storage: as many objects as Yubico says fit, and no more."""

import secrets

import pytest

from hsm.emulator.forms.rsa import BITS
from hsm.emulator.objects.identity import EVERYWHERE
from hsm.emulator.objects.record import LABEL_SIZE, Record
from hsm.emulator.objects.store import Store
from hsm.emulator.wire.algorithm import Algorithm
from hsm.emulator.wire.kind import Kind, Origin
from hsm.emulator.wire.refusal import Refusal, RefusedError


def _record(kind: Kind, algorithm: Algorithm, size: int) -> Record:
    label = bytes(LABEL_SIZE)
    return Record(kind, 0, label, EVERYWHERE, 0, algorithm, Origin.IMPORTED, bytes(size))


@pytest.mark.parametrize(
    ("algorithm", "size", "fit"),
    [
        # The data sheet's numbers, with one authentication key present.
        (Algorithm.RSA_2048, BITS[Algorithm.RSA_2048] // 16 * 7, 127),
        (Algorithm.RSA_3072, BITS[Algorithm.RSA_3072] // 16 * 7, 93),
        (Algorithm.RSA_4096, BITS[Algorithm.RSA_4096] // 16 * 7, 68),
        (Algorithm.EC_P521, 3 * 66, 255),
    ],
)
def test_as_many_keys_fit_as_the_data_sheet_says(algorithm: Algorithm, size: int, fit: int) -> None:
    store = Store(secrets.token_bytes)
    key = Algorithm.AES128_YUBICO_AUTHENTICATION
    store.add(_record(Kind.AUTHENTICATION_KEY, key, 32))
    for _ in range(fit):
        store.add(_record(Kind.ASYMMETRIC_KEY, algorithm, size))
    with pytest.raises(RefusedError) as caught:
        store.add(_record(Kind.ASYMMETRIC_KEY, algorithm, size))
    assert caught.value.refusal is Refusal.STORAGE_FAILED


def test_an_id_of_zero_is_replaced_by_a_free_one() -> None:
    draws = iter([b"\0\0", b"\xff\xff", b"\0\5", b"\0\5", b"\0\6"])
    store = Store(lambda _size: next(draws))
    ids = [store.add(_record(Kind.OPAQUE, Algorithm.OPAQUE_DATA, 1)).object_id for _ in "ab"]
    assert ids == [5, 6]


def test_what_is_deleted_makes_room() -> None:
    store = Store(secrets.token_bytes)
    before = store.usage()
    added = store.add(_record(Kind.OPAQUE, Algorithm.OPAQUE_DATA, 127))
    assert store.usage() != before
    store.remove(added)
    assert store.usage() == before


def test_a_record_shows_no_secret() -> None:
    shown = repr(_record(Kind.SYMMETRIC_KEY, Algorithm.AES128, 16))
    assert "material" not in shown
    assert repr(bytes(16)) not in shown
