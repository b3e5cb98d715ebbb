"""Software of hosts: what is behind the newest release, and what advisories say of it."""

from itertools import pairwise

import pytest

from server.fleet.advisory_file import shipped
from server.fleet.host_software import Concern, behind, software_hits
from server.fleet.software import Release, SoftwareAdvisory

FILE = shipped()


def packages(advisory_id: str, software: dict[str, str], system: str = "linux") -> dict[str, str]:
    ours = [one for one in FILE.software if one.advisory_id == advisory_id]
    return {hit.package: hit.concern.value for hit in software_hits(software, system, ours)}


@pytest.mark.parametrize(
    ("software", "found"),
    [
        ({"yubikey-manager": "5.9.1"}, ["yubikey-manager"]),
        ({"yubikey-manager": "5.9.2"}, []),
        ({"yubikey-manager": "5.10"}, []),
        ({"yubikey-manager": "5.9.2rc1"}, []),
        ({"yubikey-manager": "2025.1"}, []),
        (
            {"yubico-piv-tool": "2.7.2", "yubikey-manager": "5.1"},
            ["yubikey-manager", "yubico-piv-tool"],
        ),
        ({"pam-u2f": "0.1"}, []),
        ({}, []),
    ],
)
def test_a_program_is_behind_when_a_newer_release_is_known(
    software: dict[str, str], found: list[str]
) -> None:
    assert [one.package for one in behind(software, FILE.releases)] == found


@pytest.mark.parametrize(
    "advisory", FILE.software, ids=lambda one: f"{one.advisory_id}-{one.package}"
)
def test_every_advisory_on_software_ends_where_it_ends(advisory: SoftwareAdvisory) -> None:
    system = min(advisory.systems or {"linux"})
    last = (*advisory.end[:-1], advisory.end[-1] - 1, 99)
    cases = {".".join(map(str, last)): {Concern.YES}, str(advisory.end): set[Concern]()}
    if advisory.start is not None:
        cases[str(advisory.start)] = {Concern.YES}
        earlier = (*advisory.start[:-1], advisory.start[-1] - 1, 99)
        cases[".".join(map(str, earlier))] = set()
    for version, wanted in cases.items():
        hits = software_hits({advisory.package: version}, system, [advisory])
        assert {hit.concern for hit in hits} == wanted, version
    assert software_hits({"another": "0.1"}, system, [advisory]) == ()


def test_a_number_that_cannot_be_compared_is_unknown_never_clear() -> None:
    assert packages("YSA-2025-01", {"pam-u2f": "1.3.1~rc1"}) == {"pam-u2f": "unknown"}
    assert packages("YSA-2025-01", {"pam-u2f": "1.3.1"}) == {}


def test_dates_and_versions_of_the_hsms_software_are_never_compared() -> None:
    assert packages("YSA-2021-04", {"yubihsm-shell": "2021.08"}) == {"yubihsm-shell": "unknown"}
    assert packages("YSA-2021-04", {"yubihsm-sdk": "2021.08"}) == {"yubihsm-sdk": "affected"}
    assert packages("YSA-2021-04", {"yubihsm-sdk": "2021.12"}) == {}
    assert packages("YSA-2021-04", {"yubihsm-sdk": "2.2.0"}) == {"yubihsm-sdk": "unknown"}


def test_an_advisory_for_a_system_is_about_no_other_but_one_that_is_not_known() -> None:
    old = {"libfido2": "1.16.0"}
    assert packages("YSA-2026-01", old, "windows") == {"libfido2": "affected"}
    assert packages("YSA-2026-01", old, "linux") == {}
    assert packages("YSA-2026-01", old, "plan9") == {"libfido2": "affected"}


def test_releases_are_told_from_what_are_none() -> None:
    assert Release.told("5.9.2") == Release.parse("5.9.2")
    assert [Release.told(one) for one in ("", "v5", "5.9.2-1", "5..9", "٣.1")] == [None] * 5
    ordered = [Release.parse(one) for one in ("1.9", "1.10", "2", "2.0.1", "2021.08")]
    assert all(one < other for one, other in pairwise(ordered))
