"""The fleet in a backup: a restored server goes on taking reports, and lets nobody in twice."""

from pathlib import Path

import pytest

from server.backup.restore import load, verify
from server.fleet.enrolment import Asked, BadTokenError, digest_of
from server.fleet.hosts import HostState
from server.fleet.ports import Search
from server.fleet.receipt import Receipt
from tests.server.acts import ACT, CAUSE
from tests.server.backup.test_backup import Readers, backed_up, opened, readers, source, target
from tests.server.fleet.reports import HOST, a_key, a_report

__all__ = ["readers", "source", "target"]

LATER, OTHER = "1e" * 16, "2d" * 16
DAY_US = 86_400_000_000


def asked(host_id: str, name: str, token: str) -> Asked:
    return Asked(token, host_id, name, bytes.fromhex(host_id) * 2, "linux", "0.1.0")


async def test_a_restored_server_goes_on_with_the_hosts_it_knows(
    source: Path | str, target: Path | str, readers: Readers, tmp_path: Path
) -> None:
    store = await opened(source)
    for name, token in (("laptop-17", "first"), ("laptop-18", "waits"), ("laptop-19", "third")):
        await store.add_enrolment_token(
            name, digest_of(token), lifetime_us=DAY_US, replaces=False, act=ACT
        )
    await store.enrol(asked(HOST, "laptop-17", "first"))
    await store.enrol(asked(OTHER, "laptop-19", "third"))
    await store.take_reports([a_report(a_key(serial=1)), a_report(a_key(serial=2), sequence=2)])
    await backed_up(source, tmp_path / "b", readers)
    # What happens from here on is lost.
    await store.enrol(asked(LATER, "laptop-18", "waits"))
    await store.take_reports([a_report(a_key(serial=3), sequence=number) for number in range(3, 9)])
    await store.erase_host(OTHER, act=ACT)
    await store.close()

    await load(verify(tmp_path / "b", readers.identities), target, cause=CAUSE, compare=True)
    store = await opened(target)
    assert len(await store.fleet_keys(Search(), "", 9)) == 2
    last = a_report(a_key(serial=3), sequence=8)
    following = a_report(a_key(serial=3), sequence=9)
    assert await store.take_reports([last, last, following]) == [
        Receipt.NEW,
        Receipt.AGAIN,
        Receipt.NEW,
    ]
    host = await store.fleet_host(HOST)
    assert host is not None
    assert (host.sequence, host.missing, host.clashes) == (9, 0, 0)
    assert len(await store.fleet_keys(Search(), "", 9)) == 3
    gap = a_report(sequence=12)
    assert await store.take_reports([gap]) == [Receipt.NEW]
    host = await store.fleet_host(HOST)
    assert host is not None
    assert host.missing == 2, "what is missing from now on counts"

    assert await store.take_reports([a_report(host=LATER)]) == [Receipt.UNKNOWN_HOST]
    with pytest.raises(BadTokenError):  # it was used since the backup, which does not know it
        await store.enrol(asked("3c" * 16, "laptop-18", "waits"))
    back = await store.fleet_host(OTHER)
    assert back is not None
    assert back.state is HostState.ACTIVE, "as docs/backup.md says: erase it once more"
    await store.close()
