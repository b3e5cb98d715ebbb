"""Minted keys as the journal tells of them: for whom, until when, and what became of them."""

from server.journal.acts import State
from server.provisioning.ports import MintedKey


def minted_state(minted: MintedKey) -> State:
    """Return a minted key's state. The sealed release is not in it: the journal is kept for good."""
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
