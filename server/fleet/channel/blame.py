"""What is told of a host that changed, on its way, what a key said."""

from server.facts import NewFact


def relayed_otherwise(host_id: str, key_id: str, how: str) -> NewFact:
    """Return the fact. key_id: of the key that the host named; how: `Refusal`, in its word."""
    return NewFact("fleet.host-altered", host_id, {"key": key_id, "facts": "", "channel": how})
