"""Around a store that commits: the fence of a restored one, the counter journal of every one."""

import asyncio
import os
import secrets
from contextlib import AsyncExitStack
from pathlib import Path

import structlog

from server.clock import Clock
from server.config import Config
from server.counter_journal.desk import FenceDesk
from server.counter_journal.hot_stores import FencedHotStore, FenceWatch, JournalingHotStore
from server.counter_journal.journal import CounterJournal, Station
from server.counter_journal.ports import JournalError, Place
from server.counter_journal.segments import NodeInUseError, segment_path
from server.datadir import DataDirectory
from server.foundation import Store
from server.otp.ports import HotStore
from server.storage.identity import store_epoch, store_id
from server.storage.refusals import StoreRefusedError

_ID_OCTETS = 6

_log = structlog.stdlib.get_logger(__name__)


class SafeguardError(StoreRefusedError):
    """The store must not be used like this; the message says what to do."""


def installation(data: DataDirectory) -> str:
    """Return what tells this data directory's nodes from all others; made at first use."""
    path = data.node_file
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(path, flags, 0o600), "w", encoding="ascii") as stream:
            stream.write(secrets.token_hex(_ID_OCTETS) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
    except FileExistsError:
        pass
    name = path.read_text("ascii", "replace").strip()
    if len(name) != 2 * _ID_OCTETS or not name.isalnum():
        raise SafeguardError(f"{path} is damaged. Remove it: the next start makes another one")
    return name


async def guarded(
    stack: AsyncExitStack,
    config: Config,
    data: DataDirectory,
    store: Store,
    clock: Clock,
    *,
    node: str,
    watch: FenceWatch,
) -> HotStore:
    """Return the hot store that this process may commit through; `stack` ends the journal.

    node: which of this installation's nodes this is. Raises StoreError and StoreRefusedError.
    """
    node = f"{installation(data)}-{node}"
    hot: HotStore = FencedHotStore(store, watch) if watch.stands else store
    if config.backup.counter_journal is None:
        await store.note_journal_node(node, Place(None))
        if await _would_be_missed(store, node, None):
            raise SafeguardError(
                "backup.counter_journal is not set, and the newest backup knows nothing of that:"
                " after a restore of it, OTPs that are accepted from now on would be accepted"
                f" again. Set it as it was. {_OR_BACK_UP}"
            )
        return hot
    directory = Path(config.backup.counter_journal)
    if await asyncio.to_thread(_is_within, directory, data.root):
        raise SafeguardError(
            f"backup.counter_journal ({directory}) is within the data directory, and would be lost"
            " with it. Name a directory on another disk"
        )
    station = Station(directory, node, await store_id(store), await store_epoch(store))
    journal = CounterJournal(station, clock=clock)
    nodes = await store.journal_nodes()
    try:
        first = await journal.open(list(nodes), nodes.get(node))
    except (JournalError, NodeInUseError) as error:
        raise SafeguardError(str(error)) from error
    stack.push_async_callback(journal.close)
    await store.note_journal_node(node, Place(first))
    if await _would_be_missed(store, node, directory):
        raise SafeguardError(
            f"node {node} is new, and its counter journal is not where those of the newest backup"
            " are: after a restore of that nobody would miss it, and OTPs that it accepts from now"
            f" on would be accepted again. {_OR_BACK_UP}"
        )
    journaling = JournalingHotStore(hot, journal, node=node, book=store)
    stack.push_async_callback(journaling.close)
    return journaling


def _is_within(directory: Path, root: Path) -> bool:
    return directory.resolve().is_relative_to(root.resolve())


_OR_BACK_UP = "Or make a backup now (keystead backup FILE), which will know, then start again"


async def _would_be_missed(store: Store, node: str, directory: Path | None) -> bool:
    """Whether the newest backup could be restored without anybody asking for this node.

    directory: where it journals, None for nowhere.
    """
    kept = await store.kept_backups()
    known = kept[-1] if kept else {}
    if not known or any(place.first is None for place in known.values()):
        return False  # no fence of that backup falls by itself
    if directory is None or node in known:
        return directory is None
    # Beside a journal that is asked for, its own is found too.
    beside = (segment_path(directory, one, place.first or 0) for one, place in known.items())
    return not any([await asyncio.to_thread(path.exists) for path in beside])


async def watch_fence(store: Store, clock: Clock) -> FenceWatch:
    """Return who knows whether the store's fence stands; an alarm when it does."""
    watch = FenceWatch(store, clock)
    await watch.start()
    if watch.stands:
        _log.error("keys_fenced", error="this store was restored: `keystead fence status`")
    return watch


async def fence_desk(store: Store) -> FenceDesk:
    """Return the operator's desk at the store's fence."""
    return FenceDesk(store, store=await store_id(store))
