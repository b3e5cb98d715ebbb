"""What may be said to a key for the server, while the agent relays a channel: a class of its own.

The server asks the key through a channel of which this host sees headers only, so only headers
are on this list that are harmless with any data behind them: each reads, whatever it is sent.
Opening a channel is not read-only: the key makes a fresh key and forgets a channel that another
program had with this application. It changes nothing that lasts, and proves nothing of us, so
that all that needs an authenticated host stays forbidden to who has opened one (SCP11b).
"""

from agent.apdu import MANAGEMENT, PIV, SECURITY_DOMAIN, get_response, select
from agent.whitelist import (
    MANAGEMENT_KEY,
    MAX_PAGES,
    PIN,
    PUK,
    SCP11B_KEY,
    VERSIONS_OF_KEYS,
    ForbiddenCommandError,
    domain_chain,
    domain_keys,
    read_config,
)

METADATA = (PIN, PUK, MANAGEMENT_KEY, 0x9A, 0x9C, 0x9D, 0x9E)
"""Of what PIV may be asked through a channel."""

SECURED_OCTETS = 24
"""Of the data in a channel: one block and a MAC. No command on this list has more to say."""

_BLOCK_OF_DATA = bytes([SECURED_OCTETS])
_ANY_LENGTH = b"\x00"

# Amendment F, 7.6.2.3: SCP11b, all messages encrypted and with a MAC, AES-128; then a point of the
# curve P-256, which alone is the server's to choose.
_ASKED = bytes.fromhex("a60d9002110095013c8001888101105f494104")
_POINT_OCTETS = 64
_AUTHENTICATE = {
    bytes([0x80, 0x88, version, SCP11B_KEY, len(_ASKED) + _POINT_OCTETS])
    for version in VERSIONS_OF_KEYS
}

_SELECTS = {select(name): name for name in (SECURITY_DOMAIN, MANAGEMENT, PIV)}
_WHOLE = {
    SECURITY_DOMAIN: frozenset([domain_keys(), *map(domain_chain, VERSIONS_OF_KEYS)]),
    MANAGEMENT: frozenset(map(read_config, range(MAX_PAGES))),
    PIV: frozenset[bytes](),
}
_HEADERS = {
    SECURITY_DOMAIN: frozenset[bytes](),
    MANAGEMENT: frozenset(bytes([0x04, 0x1D, page, 0x00]) for page in range(MAX_PAGES)),
    PIV: frozenset(bytes([0x04, 0xF7, 0x00, reference]) for reference in METADATA),
}
_OPENS = {MANAGEMENT, PIV}
_MORE = frozenset(map(get_response, range(256)))


class ChannelRules:
    """For one card, from its opening to its closing: what may be said depends on the selection."""

    def __init__(self) -> None:
        self._selected: bytes | None = None

    def permit(self, octets: bytes) -> bytes:
        """Return a command that may be sent now. ForbiddenCommandError."""
        if octets in _SELECTS:
            self._selected = _SELECTS[octets]
            return octets
        if octets in _MORE or self._is_of(self._selected, octets):
            return octets
        raise ForbiddenCommandError(f"{octets[:4].hex()}, of {len(octets)} octets, in a channel")

    def _is_of(self, selected: bytes | None, octets: bytes) -> bool:
        if selected is None:
            return False
        return (
            octets in _WHOLE[selected]
            or (octets[:4] in _HEADERS[selected] and _is_secured(octets))
            or (selected in _OPENS and _opens(octets))
        )


def _is_secured(octets: bytes) -> bool:
    """Tell whether a command is as long as those of a channel are."""
    length, rest = octets[4:5], octets[5:]
    return length == _BLOCK_OF_DATA and len(rest) == SECURED_OCTETS + 1 and rest[-1:] == _ANY_LENGTH


def _opens(octets: bytes) -> bool:
    """Tell whether a command opens a channel, as SCP11b and no other does."""
    asked = octets[5:-1]
    return (
        octets[:5] in _AUTHENTICATE
        and asked[: len(_ASKED)] == _ASKED
        and len(asked) == len(_ASKED) + _POINT_OCTETS
        and octets[-1:] == _ANY_LENGTH
    )
