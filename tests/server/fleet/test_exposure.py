"""Affected, exposed, or unknown: never clear by guess."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.fleet.advisory import Advisory
from server.fleet.advisory_file import shipped
from server.fleet.conditions import CONDITIONS
from server.fleet.exposure import Affected, Exposed, judge
from server.fleet.firmware import Version
from server.fleet.key_facts import Algorithm, Application, HeldKey, KeyFacts, Slots
from server.fleet.product_lines import ProductLine

ADVISORIES = {advisory.advisory_id: advisory for advisory in shipped().advisories}
FIDO_ONLY = frozenset({Application.FIDO2, Application.U2F})
EUCLEAK = "YSA-2024-03"


def key(
    firmware: str,
    *,
    bio: bool = False,
    fips: bool = False,
    security_key: bool = False,
    nfc: bool = True,
    enabled: frozenset[Application] = frozenset(Application),
) -> KeyFacts:
    return KeyFacts(
        firmware=Version.parse(firmware),
        bio=bio,
        fips=fips,
        security_key=security_key,
        nfc=nfc,
        enabled=enabled,
    )


NOTHING = Slots(complete=True)


def held(algorithm: Algorithm, *, generated: bool | None = True, complete: bool = True) -> Slots:
    return Slots((HeldKey("9a", algorithm, generated),), complete)


def verdict(advisory_id: str, facts: KeyFacts) -> tuple[Affected, Exposed]:
    exposure = judge(ADVISORIES[advisory_id], facts)
    return exposure.affected, exposure.exposed


@pytest.mark.parametrize(
    ("advisory_id", "facts", "affected"),
    [
        (EUCLEAK, key("5.4.3"), Affected.YES),
        (EUCLEAK, key("5.6.9"), Affected.YES),
        (EUCLEAK, key("5.7.0"), Affected.NO),
        (EUCLEAK, key("5.7.1", fips=True), Affected.YES),
        (EUCLEAK, key("5.7.2", fips=True), Affected.NO),
        (EUCLEAK, key("5.7.1", bio=True), Affected.YES),
        (EUCLEAK, key("5.7.2", bio=True), Affected.NO),
        (EUCLEAK, key("5.4.3", security_key=True), Affected.YES),
        (EUCLEAK, key("4.3.5"), Affected.NO),
        ("YSA-2017-01", key("4.1.9"), Affected.NO),
        ("YSA-2017-01", key("4.2.0"), Affected.YES),
        ("YSA-2017-01", key("4.3.4"), Affected.YES),
        ("YSA-2017-01", key("4.3.5"), Affected.NO),
        ("YSA-2019-02", key("4.4.1"), Affected.NO),
        ("YSA-2019-02", key("4.4.4"), Affected.YES),
        ("YSA-2019-02", key("4.4.5"), Affected.NO),
        ("YSA-2020-04", key("5.2.6"), Affected.YES),
        ("YSA-2020-04", key("5.2.7"), Affected.NO),
        ("YSA-2020-04", key("5.3.1"), Affected.YES),
        ("YSA-2020-04", key("5.2.6", nfc=False), Affected.NO),
        ("YSA-2018-01", key("3.4.9"), Affected.UNKNOWN),
        ("YSA-2025-02", key("5.4.3", fips=True), Affected.UNKNOWN),
        ("YSA-2025-02", key("5.3.0"), Affected.NO),
        ("YSA-2025-02", key("5.7.4"), Affected.NO),
        ("YSA-2024-02", key("5.6.3", bio=True), Affected.YES),
        ("YSA-2024-02", key("5.6.4", bio=True), Affected.NO),
        ("YSA-2015-1", key("3.4.0"), Affected.UNKNOWN),
    ],
)
def test_a_line_and_its_version_decide_who_is_affected(
    advisory_id: str, facts: KeyFacts, affected: Affected
) -> None:
    assert verdict(advisory_id, facts)[0] is affected


def test_a_key_that_may_be_of_two_lines_is_affected_only_if_both_are() -> None:
    perhaps_fips = key("5.7.1")._replace(fips=None)
    exposure = judge(ADVISORIES[EUCLEAK], perhaps_fips)
    assert exposure.lines == {ProductLine.YUBIKEY_5, ProductLine.FIPS_5}
    assert exposure.affected is Affected.UNKNOWN
    assert judge(ADVISORIES[EUCLEAK], key("5.6.0")._replace(fips=None)).affected is Affected.YES


@pytest.mark.parametrize(
    ("advisory_id", "affected"),
    [
        ("YSA-2025-02", Affected.UNKNOWN),  # nobody has said of that line
        (EUCLEAK, Affected.YES),
        ("YSA-2024-02", Affected.YES),  # it names the line nowhere: what holds for a 5 holds
    ],
)
def test_a_key_that_was_bought_as_cspn_is_judged_by_its_own_line(
    advisory_id: str, affected: Affected
) -> None:
    assert verdict(advisory_id, key("5.4.3")._replace(cspn=True))[0] is affected


def test_a_version_of_an_applet_is_not_taken_for_one_of_firmware() -> None:
    neo = key("3.4.9")._replace(openpgp=held(Algorithm.RSA, generated=None))
    old, new = (neo._replace(openpgp_applet=Version(1, 0, patch)) for patch in (9, 10))
    assert verdict("YSA-2015-1", old) == (Affected.YES, Exposed.YES)
    assert verdict("YSA-2015-1", new) == (Affected.NO, Exposed.NO)


def test_a_key_of_which_nothing_is_known_is_clear_of_nothing() -> None:
    for advisory in ADVISORIES.values():
        assert judge(advisory, KeyFacts()).affected is Affected.UNKNOWN


@pytest.mark.parametrize(
    ("facts", "exposed"),
    [
        (key("5.4.3"), Exposed.YES),  # FIDO is on
        (key("5.4.3", enabled=frozenset({Application.PIV})), Exposed.UNKNOWN),
        (
            key("5.4.3", enabled=frozenset({Application.PIV}))._replace(
                piv=held(Algorithm.RSA), openpgp=NOTHING
            ),
            Exposed.NO,
        ),
        (
            key("5.4.3", enabled=frozenset())._replace(piv=held(Algorithm.EC)),
            Exposed.YES,
        ),
        (
            key("5.4.3", enabled=frozenset())._replace(
                piv=held(Algorithm.EDWARDS), openpgp=NOTHING
            ),
            Exposed.NO,
        ),
    ],
)
def test_eucleak_endangers_fido_always_and_the_rest_with_elliptic_curves(
    facts: KeyFacts, exposed: Exposed
) -> None:
    assert verdict(EUCLEAK, facts) == (Affected.YES, exposed)


@pytest.mark.parametrize(
    ("keys", "exposed"),
    [
        (held(Algorithm.RSA), Exposed.YES),
        (held(Algorithm.RSA, generated=False), Exposed.NO),
        (held(Algorithm.RSA, generated=None), Exposed.UNKNOWN),
        (held(Algorithm.EC), Exposed.NO),
        (held(Algorithm.EC, complete=False), Exposed.UNKNOWN),
        (held(Algorithm.RSA, complete=False), Exposed.YES),
        (held(Algorithm.UNKNOWN), Exposed.UNKNOWN),
        (NOTHING, Exposed.NO),
        (Slots(), Exposed.UNKNOWN),
    ],
)
def test_roca_endangers_rsa_keys_that_were_generated_on_the_key(
    keys: Slots, exposed: Exposed
) -> None:
    facts = key("4.3.1")._replace(piv=keys, openpgp=NOTHING)
    assert verdict("YSA-2017-01", facts) == (Affected.YES, exposed)


@pytest.mark.parametrize(
    ("advisory_id", "facts", "exposed"),
    [
        ("YSA-2020-05", key("5.2.4")._replace(openpgp_reset_tries=3), Exposed.YES),
        ("YSA-2020-05", key("5.2.4")._replace(openpgp_reset_tries=0), Exposed.NO),
        ("YSA-2020-05", key("5.2.4"), Exposed.UNKNOWN),
        ("YSA-2020-04", key("5.2.4"), Exposed.UNKNOWN),
        ("YSA-2020-04", key("5.2.4", enabled=FIDO_ONLY), Exposed.NO),
        ("YSA-2024-02", key("5.4.3")._replace(resident_credentials=0), Exposed.NO),
        ("YSA-2024-02", key("5.4.3")._replace(resident_credentials=2), Exposed.YES),
        ("YSA-2024-02", key("5.4.3"), Exposed.UNKNOWN),
        (
            "YSA-2024-02",
            key("5.4.3")._replace(resident_credentials=2, enabled=None),
            Exposed.UNKNOWN,
        ),
        ("YSA-2019-02", key("4.4.2"), Exposed.YES),
    ],
)
def test_what_cannot_be_read_leaves_the_exposure_unknown(
    advisory_id: str, facts: KeyFacts, exposed: Exposed
) -> None:
    assert verdict(advisory_id, facts) == (Affected.YES, exposed)


versions = st.builds(Version, st.integers(0, 6), st.integers(0, 9), st.integers(0, 9))
facts_known = st.builds(
    KeyFacts,
    firmware=versions,
    bio=st.booleans(),
    fips=st.booleans(),
    security_key=st.booleans(),
    nfc=st.booleans(),
    enabled=st.frozensets(st.sampled_from(Application)),
    piv=st.sampled_from([NOTHING, held(Algorithm.EC), held(Algorithm.RSA)]),
    openpgp=st.sampled_from([NOTHING, held(Algorithm.RSA, generated=False)]),
    openpgp_applet=versions,
    openpgp_reset_tries=st.integers(0, 3),
    oath_password=st.booleans(),
    resident_credentials=st.integers(0, 3),
)


@given(facts_known, st.data(), st.sampled_from(sorted(ADVISORIES)))
def test_to_know_less_never_turns_a_verdict_around(
    facts: KeyFacts, data: st.DataObject, advisory_id: str
) -> None:
    forgotten = data.draw(st.sets(st.sampled_from(sorted({*KeyFacts._fields} - {"cspn"}))))
    less = facts._replace(**{name: KeyFacts._field_defaults[name] for name in forgotten})
    known, guessed = verdict(advisory_id, facts), verdict(advisory_id, less)
    assert guessed[0] in {known[0], Affected.UNKNOWN}
    if Exposed.UNKNOWN not in {known[1], guessed[1]}:
        assert guessed[1] is known[1]


@given(facts_known, st.sampled_from(sorted(ADVISORIES)))
def test_who_is_clear_is_not_exposed(facts: KeyFacts, advisory_id: str) -> None:
    affected, exposed = verdict(advisory_id, facts)
    if affected is Affected.NO:
        assert exposed is Exposed.NO


def test_every_condition_is_used_or_says_the_two_simple_things() -> None:
    used = {advisory.condition for advisory in ADVISORIES.values()}
    assert set(CONDITIONS) - used <= {"always", "not-readable"}


def test_an_advisory_is_read_as_it_was_written() -> None:
    for advisory in ADVISORIES.values():
        assert Advisory.of_json(advisory.to_json()) == advisory


def test_the_flags_of_a_key_leave_at_least_one_line() -> None:
    flags = (None, True, False)
    for fips, sky, bio in product(flags, flags, flags):
        facts = KeyFacts(firmware=Version(5, 4, 3), fips=fips, security_key=sky, bio=bio)
        assert judge(ADVISORIES[EUCLEAK], facts).lines
