"""Which file of advisories stands: the newest that is believed, in every process, for good."""

import asyncio
import json

import pytest

from server.fleet.advisory_file import shipped
from server.fleet.advisory_ports import OvertakenError
from server.fleet.shelf import OldEditionError, Shelf
from server.fleet.signed_file import UntrustedFileError, key_id_of
from server.journal.canonical import MalformedError
from tests.server.acts import ACT, CAUSE
from tests.server.fleet.advisory_files import KEY, OTHER, PUBLIC, document, enveloped, signed
from tests.server.memory_store import MemoryStore
from tests.server.still_clock import StillClock
from validation.gcra import UNLIMITED, Policy, Rate

OTHERS = OTHER.public_key().public_bytes_raw()


@pytest.fixture
def book() -> MemoryStore:
    return MemoryStore(
        clock=StillClock(), default_policy=Policy(Rate.per_second(10, 50), UNLIMITED)
    )


def shelf(*trusted: bytes) -> Shelf:
    return Shelf(shipped(), trusted=trusted or [PUBLIC])


async def test_what_ships_stands_until_a_newer_file_is_loaded(book: MemoryStore) -> None:
    ours = shelf()
    await ours.refresh(book)
    assert (ours.file, ours.standing.loaded) == (shipped(), None)
    standing = await ours.load(signed(document()), book, cause=CAUSE)
    assert standing.file.edition == ours.file.edition == 7
    assert standing.loaded is not None
    assert standing.loaded.key_id == key_id_of(PUBLIC)
    assert [one.number for one in ours.files] == [1]


async def test_an_edition_never_goes_back_nor_stands_twice(book: MemoryStore) -> None:
    ours = shelf()
    await ours.load(signed(document()), book, cause=CAUSE)
    for edition in (shipped().edition, 6, 7):
        with pytest.raises(OldEditionError, match="edition 7 stands"):
            await ours.load(signed(document(edition=edition)), book, cause=CAUSE)
    assert len(await book.advisory_files(0)) == 1
    late = shelf()
    with pytest.raises(OldEditionError):
        await late.load(signed(document(edition=6)), book, cause=CAUSE)


async def test_other_processes_and_restarts_find_what_was_loaded(book: MemoryStore) -> None:
    running = shelf()
    await running.refresh(book)
    await shelf().load(signed(document()), book, cause=CAUSE)
    assert running.file.edition == shipped().edition
    await running.refresh(book)
    assert running.file.edition == 7
    restarted = shelf()
    await restarted.refresh(book)
    assert restarted.standing == running.standing


async def test_nobody_is_believed_whose_key_is_not_named(book: MemoryStore) -> None:
    with pytest.raises(UntrustedFileError, match=r"fleet\.advisory_keys"):
        await Shelf(shipped()).load(signed(document()), book, cause=CAUSE)
    with pytest.raises(UntrustedFileError, match="not among the trusted"):
        await shelf().load(signed(document(), OTHER), book, cause=CAUSE)
    altered = enveloped(document()) | {"document": document(edition=8)}
    with pytest.raises(UntrustedFileError, match="altered"):
        await shelf().load(json.dumps(altered).encode(), book, cause=CAUSE)
    with pytest.raises(MalformedError):
        await shelf().load(b"{}", book, cause=CAUSE)
    assert await book.advisory_files(0) == []


async def test_a_key_that_is_taken_out_takes_its_files_with_it(book: MemoryStore) -> None:
    both = shelf(PUBLIC, OTHERS)
    await both.load(signed(document()), book, cause=CAUSE)
    await both.load(signed(document(edition=900_000_000), OTHER), book, cause=CAUSE)
    ours = shelf()
    await ours.refresh(book)
    assert ours.file.edition == 7
    (passed,) = ours.passed_over
    assert (passed.loaded.edition, "not among" in passed.why) == (900_000_000, True)
    standing = await ours.load(signed(document(edition=8)), book, cause=CAUSE)
    assert standing.file.edition == 8


async def test_a_file_that_was_altered_in_the_store_is_passed_over(book: MemoryStore) -> None:
    await shelf().load(signed(document()), book, cause=CAUSE)
    loaded, text = book._files[0]
    book._files[0] = (loaded, text.replace(b"An example", b"Any sample"))
    ours = shelf()
    await ours.refresh(book)
    assert ours.file == shipped()
    assert "altered" in ours.passed_over[0].why


async def test_of_two_processes_that_load_at_once_none_hides_the_other(book: MemoryStore) -> None:
    one, other = shelf(), shelf()
    await one.refresh(book)
    await other.refresh(book)
    await asyncio.gather(
        one.load(signed(document()), book, cause=CAUSE),
        other.load(signed(document(edition=8)), book, cause=CAUSE),
        return_exceptions=True,
    )
    await one.refresh(book)
    await other.refresh(book)
    assert one.standing == other.standing
    with pytest.raises(OvertakenError):
        await book.add_advisory_file(b"", edition=99, key_id=b"", digest="", after=0, act=ACT)


async def test_the_rulebook_is_made_anew_when_a_file_stands(book: MemoryStore) -> None:
    ours, day = shelf(), shipped().issued
    first = ours.rulebook(day)
    assert ours.rulebook(day) is first
    await ours.load(signed(document(), KEY), book, cause=CAUSE)
    assert ours.rulebook(day).stamp != first.stamp
