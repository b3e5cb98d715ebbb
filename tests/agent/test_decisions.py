"""What is decided purely: slots, schedules, back-off, policies, answers, URLs."""

import base64
import itertools
import random
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.attached import SeenKey
from agent.backoff import LONGEST_S, Backoff
from agent.composing import Host, KnownKey, digest_of, of_key, reports_of
from agent.delivery import Outcome, outcome_of, wait_of
from agent.findings import Findings
from agent.http_client import HttpAnswer
from agent.policy import LOCAL, Policy, Serials
from agent.ports import ReaderState
from agent.report import Identity, encode, parse, serial_hash
from agent.reporting import LEAST_PAUSE_S, SETTLE_S, Schedule
from agent.server_url import ServerUrl, ServerUrlError, parse_server_url
from agent.slots import AGAIN_S, HANGS_AFTER_S, Phase, Slots
from agent.slots import SETTLE_S as SLOT_SETTLE_S
from agent.whitelist import COMMANDS

READER = "Yubico YubiKey OTP+FIDO+CCID 00 00"
SLOT = f"reader {READER}"
GOOD = Findings({"device.firmware": "5.7.4"}, {}, 7)


def state(changes: int = 1, *, present: bool = True, in_use: bool = False) -> ReaderState:
    return ReaderState(present, in_use, changes, b"", 0)


def read_once(slots: Slots, findings: Findings, now: float) -> Slots:
    assert slots.next(now) == SLOT
    return slots.reading(SLOT, now).read(SLOT, slots.slots[SLOT].changes, findings, now)


def test_a_key_is_read_once_after_it_has_settled_and_again_a_day_later() -> None:
    slots = Slots().seen({READER: state()}, 0.0)
    assert slots.next(0.0) is None
    slots = read_once(slots, GOOD, SLOT_SETTLE_S)
    assert slots.next(SLOT_SETTLE_S + AGAIN_S - 1) is None
    assert slots.next(SLOT_SETTLE_S + AGAIN_S) == SLOT


def test_a_key_that_is_swapped_unseen_is_read_anew() -> None:
    slots = read_once(Slots().seen({READER: state(1)}, 0.0), GOOD, 5.0)
    slots = slots.seen({READER: state(3)}, 10.0)
    assert slots.slots[SLOT].findings is None
    assert slots.next(10.0 + SLOT_SETTLE_S) == SLOT


def test_a_key_in_use_is_read_when_it_is_free() -> None:
    slots = Slots().seen({READER: state(in_use=True)}, 0.0)
    assert slots.next(100.0) is None
    assert slots.due_at() is None
    slots = slots.seen({READER: state()}, 200.0)
    assert slots.next(200.0) == SLOT


def test_the_agents_own_connection_is_nobody_elses() -> None:
    slots = Slots().seen({READER: state()}, 0.0).reading(SLOT, 5.0)
    slots = slots.seen({READER: state(in_use=True)}, 5.1)
    assert slots.read(SLOT, 1, GOOD, 5.2).slots[SLOT].free


def test_a_reading_of_a_key_that_is_gone_is_nobodys() -> None:
    slots = Slots().seen({READER: state(1)}, 0.0).reading(SLOT, 5.0)
    assert slots.seen({}, 6.0).read(SLOT, 1, GOOD, 7.0).slots == {}
    another = slots.seen({READER: state(3)}, 6.0).read(SLOT, 1, GOOD, 7.0)
    assert another.slots[SLOT].findings is None


def test_a_key_that_fails_is_tried_again_ever_more_rarely() -> None:
    slots, now = Slots().seen({READER: state()}, 0.0), 5.0
    pauses = []
    for _ in range(8):
        slots = read_once(slots, Findings({}, {"device": "reader-failed"}), now)
        pauses.append(slots.slots[SLOT].due - now)
        now = slots.slots[SLOT].due
    assert pauses == [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 600.0]


def test_a_key_that_is_read_in_part_is_left_in_peace_after_four_times() -> None:
    slots, now = Slots().seen({READER: state()}, 0.0), 5.0
    partly = Findings({"device.firmware": "5.7.4"}, {"piv": "deadline"}, 7)
    for _ in range(4):
        slots = read_once(slots, partly, now)
        now = slots.slots[SLOT].due
    assert slots.slots[SLOT].phase is Phase.READ
    assert slots.slots[SLOT].findings == partly


def test_a_reader_that_hangs_is_noticed_and_holds_up_no_other() -> None:
    other = "Yubico YubiKey CCID 01 00"
    slots = Slots().seen({READER: state()}, 0.0).reading(SLOT, 5.0)
    slots = slots.seen({READER: state(), other: state()}, 6.0)
    assert slots.next(20.0) is None
    assert slots.hanging(5.0 + HANGS_AFTER_S - 1) is None
    assert slots.hanging(5.0 + HANGS_AFTER_S) == SLOT
    slots = slots.given_up(SLOT, 40.0)
    assert slots.next(40.0) == f"reader {other}"


def test_when_the_service_goes_fido_devices_stay() -> None:
    slots = Slots().seen({READER: state()}, 0.0).devices(["/dev/hidraw3"], 0.0)
    assert list(slots.away().slots) == ["fido /dev/hidraw3"]
    assert list(slots.devices([], 1.0).slots) == [SLOT]


def test_a_foreign_card_is_no_slot() -> None:
    assert Slots().seen({"Alcor Micro 00 00": state()}, 0.0).slots == {}


def test_reports_are_made_at_the_interval_and_soon_after_a_change() -> None:
    schedule = Schedule.after_start(0.0, 0.5).made(20.0, 3600.0, 0.5)
    assert schedule.due_at() == 3620.0
    changed = schedule.noted(1000.0)
    assert changed.due_at() == 1000.0 + SETTLE_S
    assert changed.noted(1001.0) == changed
    again = changed.made(1002.0, 3600.0, 0.5).noted(1003.0)
    assert again.due_at() == 1002.0 + LEAST_PAUSE_S


def test_a_report_that_could_not_be_stored_is_made_later_and_not_forgotten() -> None:
    schedule = Schedule(3600.0).noted(10.0).failed(12.0, 60.0)
    assert schedule.changed == 72.0
    assert schedule.due_at() == 74.0
    assert Schedule(10.0).failed(12.0, 60.0).due_at() == 72.0


@given(st.integers(0, 2**32), st.integers(1, 60))
def test_back_off_has_full_jitter_and_ends_at_an_hour(seed: int, failures: int) -> None:
    backoff = Backoff(random.Random(seed))  # noqa: S311 - jitter
    waits = [backoff.failed() for _ in range(failures)]
    most = [min(LONGEST_S, 2.0 ** (number + 1)) for number in range(failures)]
    assert all(0.0 <= wait <= limit for wait, limit in zip(waits, most, strict=True))
    backoff.worked()
    assert backoff.failed() <= 2.0


def test_a_thousand_hosts_do_not_come_at_once() -> None:
    waits = []
    for seed in range(1000):
        backoff = Backoff(random.Random(seed))  # noqa: S311 - jitter
        waits.append([backoff.failed() for _ in range(12)][-1])
    per_minute = [
        len(list(found)) for _, found in itertools.groupby(sorted(int(w // 60) for w in waits))
    ]
    assert max(per_minute) < 60


@pytest.mark.parametrize(
    ("status", "code", "outcome"),
    [
        (202, "", Outcome.DELIVERED),
        (200, "", Outcome.DELIVERED),
        (400, "malformed", Outcome.REFUSED),
        (413, "too-large", Outcome.REFUSED),
        (422, "unknown-format", Outcome.REFUSED),
        (400, "", Outcome.LATER),
        (413, "", Outcome.LATER),
        (401, "bad-signature", Outcome.NOT_ENROLLED),
        (403, "unknown-host", Outcome.NOT_ENROLLED),
        (410, "erased", Outcome.NOT_ENROLLED),
        (403, "", Outcome.LATER),
        (409, "sequence-taken", Outcome.CLONED),
        (409, "", Outcome.LATER),
        (404, "", Outcome.LATER),
        (301, "", Outcome.LATER),
        (429, "slow-down", Outcome.LATER),
        (503, "", Outcome.LATER),
    ],
)
def test_an_answer_means_what_the_document_says(status: int, code: str, outcome: Outcome) -> None:
    assert outcome_of(HttpAnswer(status, None, {"code": code} if code else {})) is outcome


def test_a_server_that_says_when_is_heard_within_an_hour() -> None:
    assert wait_of(HttpAnswer(503, 120.0, {}), 3.0) == 120.0
    assert wait_of(HttpAnswer(503, 1.0, {}), 30.0) == 30.0
    assert wait_of(HttpAnswer(503, 1e9, {}), 3.0) == 3600.0
    assert wait_of(HttpAnswer(503, None, {}), 3.0) == 3.0


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(st.sampled_from([*Policy().as_json(), "serial_key"]), inner)
        ),
        max_leaves=6,
    )
)
def test_whatever_a_server_says_is_a_policy(said: object) -> None:
    policy = Policy().changed(said)
    assert Policy().changed(policy.as_json()) == policy
    assert 60 <= policy.interval_s <= 86_400


def test_a_policy_says_its_key_to_nobody() -> None:
    key = base64.b64encode(b"k" * 32).decode()
    policy = Policy().changed({"serial_key": key})
    assert policy.serial_key == b"k" * 32
    assert "kkk" not in repr(policy)


def seen(**facts: str) -> KnownKey:
    names = {name.replace("__", "."): value for name, value in facts.items()}
    return KnownKey(SeenKey("serial:7", Findings(dict(names), {}, 7)), date(2026, 11, 27), True)


CERTIFICATE = {
    "piv__certificate__9a__expires": "2027-01-01",
    "piv__certificate__9a__subject": "CN=Somebody",
    "piv__certificate__9a__issuer": "CN=Somebody",
    "piv__certificate__9a__serial": "ab",
    "openpgp__key__signature__fingerprint": "11",
}


def test_names_fingerprints_serials_and_presence_stay_here_unless_they_are_wanted() -> None:
    report = of_key(seen(**CERTIFICATE), Policy(serial_key=bytes(32)), b"local")
    assert report.identity == Identity(serial_hash=serial_hash(bytes(32), 7))
    assert report.attached is None
    assert list(report.facts) == ["piv.certificate.9a.expires"]


def test_what_an_organisation_wants_is_reported() -> None:
    policy = Policy(Serials.PLAIN, None, True, True, True)
    report = of_key(seen(**CERTIFICATE), policy, b"local")
    assert report.identity == Identity(serial=7)
    assert report.attached is True
    assert len(report.facts) == 5


def test_without_the_organisations_key_no_serial_leaves_however_it_is_turned() -> None:
    report = of_key(seen(), Policy(), b"local secret")
    assert report.identity == Identity(kind=serial_hash(b"local secret", 7))
    assert of_key(seen(), Policy(), b"another").identity != report.identity


def test_the_day_alone_is_no_change() -> None:
    today, later = seen(), seen()._replace(last_seen=date(2026, 11, 28))
    digests = {digest_of(of_key(one, LOCAL, b"")) for one in (today, later)}
    assert len(digests) == 1
    assert digest_of(of_key(seen(a="b"), LOCAL, b"")) not in digests


@given(st.integers(0, 30))
def test_many_keys_are_several_reports_and_none_is_left_out(keys: int) -> None:
    host = Host("ab" * 16, "0.1.0", "linux", "Debian", {})
    facts = [
        of_key(seen()._replace(key=SeenKey(f"serial:{n}", Findings({}, {}, n))), LOCAL, b"")
        for n in range(1, keys + 1)
    ]
    ids = iter(f"{number:032x}" for number in range(100))
    found = reports_of(
        host, facts, day=date(2026, 11, 27), next_sequence=5, dropped=2, new_id=ids.__next__
    )
    assert [one.sequence for one in found] == list(range(5, 5 + len(found)))
    assert [key for one in found for key in parse(encode(one)).keys] == facts


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://keystead.example.org", ServerUrl(True, "keystead.example.org", 443, "")),
        ("https://k.example:8443/a/", ServerUrl(True, "k.example", 8443, "/a")),
        ("http://127.0.0.1:8080", ServerUrl(False, "127.0.0.1", 8080, "")),
        ("http://[::1]:8080", ServerUrl(False, "::1", 8080, "")),
    ],
)
def test_a_servers_url_is_read(text: str, url: ServerUrl) -> None:
    assert parse_server_url(text) == url


@pytest.mark.parametrize(
    "text",
    ["http://keystead.example.org", "keystead", "ftp://a", "https://", "https://u:p@a", "https://a?b",
     "https://a:99999", "http://127.0.0.1.example.org"],
)  # fmt: skip
def test_what_is_no_servers_url_is_refused(text: str) -> None:
    with pytest.raises(ServerUrlError):
        parse_server_url(text)


def test_the_list_is_of_whole_commands() -> None:
    assert all(5 <= len(octets) <= 5 + 16 for octets in COMMANDS)
