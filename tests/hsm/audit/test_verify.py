"""Archives verified by whoever has no device: whatever was changed is found, and where."""

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hsm.audit.archive import Archive
from hsm.audit.chain import follow
from hsm.audit.entry import LogRead
from hsm.audit.finding import Finding, Kind
from hsm.audit.record import Record
from hsm.audit.standing import step
from hsm.audit.verify import Noted, Verdict, verify
from hsm.journalkey import JournalKey
from tests.hsm.audit.archives import KEY, RULES, SERIAL, carry, fill, lines, open_archive, ticks
from tests.hsm.audit.logs import CREATED, a_log, emptied, read

TRUSTED = [KEY.public_key]


def judged(found: Sequence[bytes], noted: Sequence[Noted] = ()) -> Verdict:
    (verdict,) = verify([found], TRUSTED, noted)
    return verdict


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """Provide the lines of an archive of eight records."""
    folder = tmp_path_factory.mktemp("archive")
    fill(folder, a_log(), [3, 1, 4, 1, 5, 9, 2, 6])
    return lines(folder)


def test_a_whole_archive_is_whole(whole: list[bytes]) -> None:
    verdict = judged(whole)
    assert verdict.fault is None
    assert (verdict.serial, verdict.records, verdict.entries, verdict.torn) == (SERIAL, 8, 33, 0)
    assert verdict.hash == Record.parse(whole[-1][:-1]).hash
    assert [found.kind for _, found in verdict.findings] == [Kind.BOOT]


def test_an_empty_archive_is_whole() -> None:
    assert judged([]) == Verdict(None, 0, 0, (), bytes(32), 0, None)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_octet_can_be_changed(whole: list[bytes], data: st.DataObject) -> None:
    number = data.draw(st.integers(0, len(whole) - 1))
    line = bytearray(whole[number])
    line[data.draw(st.integers(0, len(line) - 2))] ^= data.draw(st.integers(1, 255))
    verdict = judged([*whole[:number], bytes(line), *whole[number + 1 :]])
    assert verdict.fault is not None
    assert verdict.fault.line in {number + 1, number + 2}


@given(st.permutations(range(8)))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_two_lines_can_change_places(whole: list[bytes], order: list[int]) -> None:
    verdict = judged([whole[number] for number in order])
    assert (verdict.fault is None) == (order == sorted(order))


def test_no_line_can_be_left_out_or_put_in_twice(whole: list[bytes]) -> None:
    for number in range(len(whole) - 1):
        fault = judged(whole[:number] + whole[number + 1 :]).fault
        assert fault is not None
        assert fault.line == number + 1
    for number in range(len(whole)):
        assert judged([*whole[: number + 1], *whole[number:]]).fault is not None


def test_an_end_that_was_cut_off_shows_against_what_was_noted_elsewhere(
    whole: list[bytes],
) -> None:
    last = Record.parse(whole[-1][:-1])
    noted = [Noted(last.sequence, last.hash)]
    assert judged(whole, noted).fault is None
    assert judged(whole[:-1]).fault is None, "the file alone cannot tell"
    fault = judged(whole[:-1], noted).fault
    assert fault is not None
    assert "cut off" in fault.what
    other = judged(whole, [Noted(last.sequence, bytes(32))]).fault
    assert other is not None
    assert other.line == 8


def test_a_torn_last_line_is_told_and_no_fault(whole: list[bytes]) -> None:
    verdict = judged([*whole[:-1], whole[-1][:100]])
    assert (verdict.fault, verdict.records, verdict.torn) == (None, 7, 100)


def test_a_stranger_cannot_sign(tmp_path: Path) -> None:
    log, times = a_log(3), ticks()
    stranger = JournalKey.generate()
    archive = Archive.open(tmp_path, SERIAL, signer=stranger, now_us=lambda: next(times))
    carry(archive, log, None, 0)
    archive.close()
    fault = judged(lines(tmp_path)).fault
    assert fault is not None
    assert "key that was not given" in fault.what
    (verdict,) = verify([lines(tmp_path)], [KEY.public_key, stranger.public_key])
    assert verdict.fault is None


def forged(record: Record, **changes: object) -> list[bytes]:
    """Return a line that is signed and says something else: by whoever has the journal's key."""
    return [record._replace(**changes).signed(KEY).line() + b"\n"]  # type: ignore[arg-type]


def _hidden_break(log: LogRead) -> LogRead:
    at = len(log.entries) // 2
    edited = log.entries[at]._replace(session_key=0x11)
    return log._replace(entries=(*log.entries[:at], edited, *log.entries[at + 1 :]))


@pytest.mark.parametrize(
    "change",
    [
        _hidden_break,
        lambda log: log._replace(entries=log.entries[1:]),
        lambda log: log._replace(entries=log.entries[:2] + log.entries[3:]),
        lambda log: log._replace(entries=log.entries[:-1]),
        lambda log: log._replace(entries=()),
        lambda log: log._replace(boots=1),
        lambda log: log._replace(authentications=1),
    ],
)
def test_whoever_signs_cannot_hide_a_break_of_the_devices_own_chain(
    whole: list[bytes], change: Callable[[LogRead], LogRead]
) -> None:
    record = Record.parse(whole[5][:-1])
    verdict = judged([*whole[:5], *forged(record, log=change(record.log))])
    assert verdict.fault is not None
    assert verdict.fault.line == 6


def test_a_break_that_is_told_is_a_finding_and_no_fault(tmp_path: Path) -> None:
    log = a_log(3)
    archive = open_archive(tmp_path)
    first = carry(archive, log, None, 0)
    for tick in range(5):
        log.note(CREATED, tick)
    log.forget(read(log).entries[2].number)
    carry(archive, log, first.after, 1)
    archive.close()
    verdict = judged(lines(tmp_path))
    assert verdict.fault is None
    assert [found.kind for _, found in verdict.findings] == [Kind.BOOT, Kind.GAP]


def test_machines_that_take_turns_prove_each_others_archives(tmp_path: Path) -> None:
    log = a_log(3)
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        folder.mkdir()
    archives = [open_archive(folder) for folder in folders]
    before = None
    for archive in itertools.islice(itertools.cycle(archives), 5):
        before = carry(archive, log, before, 2).after
    for archive in archives:
        archive.close()
    one, two = (lines(folder) for folder in folders)
    assert [verdict.fault for verdict in verify([one, two], TRUSTED)] == [None, None]
    fault = judged(one).fault
    assert fault is not None
    assert fault.line == 2
    assert "other machines" in fault.what
    assert judged(two).fault is not None


def test_an_archive_cannot_begin_anew_in_its_middle(whole: list[bytes]) -> None:
    log = a_log(2)
    record = Record.parse(whole[1][:-1])
    fresh = step(None, emptied(log), RULES)
    line = forged(record, before=None, log=fresh.new, findings=fresh.findings, after=fresh.after)
    fault = judged([whole[0], *line]).fault
    assert fault is not None
    assert "begins anew" in fault.what


def test_another_devices_record_does_not_fit(whole: list[bytes]) -> None:
    record = Record.parse(whole[1][:-1])
    fault = judged([whole[0], *forged(record, serial=SERIAL + 1)]).fault
    assert fault is not None
    assert fault.line == 2


def test_findings_are_those_of_the_chain_and_no_less(whole: list[bytes]) -> None:
    record = Record.parse(whole[1][:-1])
    more = (Finding(Kind.OUTSIDE_ROLE, 3, "somebody did something"),)
    assert judged([whole[0], *forged(record, findings=more)]).fault is None
    assert record.before is not None
    assert follow(record.before.position, record.log).findings == ()
