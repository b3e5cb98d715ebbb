"""Minted keys: which changes there are, and how the journal tells of them."""

from hsm.provisioning import key_states, release_states
from server.journal.acts import State
from server.provisioning.ports import MintedKey


def minted_state(minted: MintedKey) -> State:
    """Return a minted key's state, without the sealed release: the journal is kept for good."""
    context = minted.kept.context
    return {
        "order": context.order,
        "generation": context.generation,
        "serial": context.serial,
        "station": context.station,
        "expires_us": context.expires_us,
        "release": minted.kept.state.value,
        "state": minted.state.value,
    }


def refuse_illegal(before: MintedKey, after: MintedKey) -> None:
    """Raise ValueError for a change that is in neither table of states: a fault of ours."""
    release = (before.kept.state, after.kept.state)
    key = (before.state, after.state)
    legal = (
        before.kept.context == after.kept.context
        and (release[0] is release[1] or release in _RELEASE_STEPS)
        and (key[0] is key[1] or key in _KEY_STEPS)
    )
    if not legal:
        raise ValueError(
            f"a minted key does not go from {release[0]}, {key[0]} to {release[1]}, {key[1]}"
        )


_RELEASE_STEPS = frozenset(
    (before, after) for (before, _), after in release_states.TRANSITIONS.items()
)
_KEY_STEPS = frozenset((before, after) for (before, _), after in key_states.TRANSITIONS.items())
