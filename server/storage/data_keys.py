"""The data keys of a store: one named value, changed as a whole, each change in the journal."""

from collections.abc import Callable

from hsm.data_keys import DataKey, DataKeyError, DataKeys
from server.journal.acts import Act, Deed, State, Subject
from server.storage.identity import DATA_KEYS, Meta

Change = Callable[[DataKeys], DataKeys]
"""Makes other data keys of those that stand, or raises DataKeyError."""

_TRIES = 16


async def stored_data_keys(store: Meta) -> DataKeys | None:
    """Return the store's data keys, None when it has never had any. DataKeyError."""
    text = await store.meta(DATA_KEYS)
    return None if text is None else DataKeys.decode(text)


async def first_data_keys(store: Meta, keys: DataKeys, act: Act) -> DataKeys:
    """Store the first data keys, and return those that stand: of two who begin, one's."""
    deed = Deed(act, Subject("data_keys", ""), None, _shown(keys.keys))
    return DataKeys.decode(await store.settle_meta(DATA_KEYS, keys.encode(), deed))


async def change_data_keys(store: Meta, change: Change, act: Act) -> DataKeys:
    """Change the data keys and return what stands now; `change` may be asked again.

    The journal gets the states of the keys that changed, never a key.
    """
    for _ in range(_TRIES):
        text = await store.meta(DATA_KEYS)
        if text is None:
            raise DataKeyError("the store has no data keys: its records are sealed by a key file")
        before = DataKeys.decode(text)
        after = change(before)
        if after == before:
            return after
        known = set(before.keys)
        changed = [key for key in after.keys if key not in known]
        states = {key.key_id: key for key in before.keys}
        earlier = [states[key.key_id] for key in changed if key.key_id in states]
        deed = Deed(act, Subject("data_keys", ""), _shown(earlier), _shown(changed))
        if await store.swap_meta(DATA_KEYS, text, after.encode(), deed):
            return after
    raise DataKeyError("somebody else changes the data keys all the time: try again")


def _shown(keys: list[DataKey] | tuple[DataKey, ...]) -> State:
    return {key.name: {"purpose": key.purpose.value, "state": key.state.value} for key in keys}
