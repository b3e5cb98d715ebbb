"""How a host enters the fleet: once, with a token for its name, and never in another's place.

Pure: what the store knows within its transaction goes in, what it is to do comes out. A host that
is refused is told one thing only, whatever was wrong with its token: strangers learn nothing.
"""

import hashlib
import hmac
from typing import NamedTuple

from server.fleet.host_name import folded
from server.fleet.hosts import Host, HostState

TOKEN_OCTETS = 32

SYSTEMS = frozenset({"linux", "macos", "windows"})
"""What agents say that they run on."""


class BadTokenError(Exception):
    """The token opens nothing for this host. The message is the same for every reason."""

    def __init__(self) -> None:
        super().__init__(
            "this token enrols no host of this name: it is unknown, used, expired or for another"
            " host. Ask your operator for a new one"
        )


class HostEnrolledError(Exception):
    """A host of this name stands already, and its place was not given away."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{name} is enrolled already. If this is the same machine set up anew, make the token"
            " with --replace; its earlier enrolment then ends when the token is used"
        )


class Token(NamedTuple):
    """A token as it is kept. digest: SHA-256 of the token; times in microseconds of the epoch.

    replaces: it may take the place of a host of that name; host_id: which host used it.
    """

    token_id: int
    digest: bytes
    host_name: str
    expires_us: int
    replaces: bool
    host_id: str | None = None


class Asked(NamedTuple):
    """What a host asks for: a signature has proved that it holds the public key's other half."""

    token: str
    host_id: str
    name: str
    public_key: bytes
    system: str
    agent: str


class Admission(NamedTuple):
    """What to do. again: it was done before; replaced: the hosts that end with it."""

    again: bool
    replaced: tuple[Host, ...] = ()


def digest_of(token: str) -> bytes:
    """Return what is kept of a token, which has 256 random bits."""
    return hashlib.sha256(b"keystead enrolment token\0" + token.encode()).digest()


def same_name(one: str, other: str) -> bool:
    """Tell whether two names are of one host."""
    return hmac.compare_digest(folded(one).encode(), folded(other).encode())


def admit(
    asked: Asked, token: Token | None, *, by_id: Host | None, by_name: list[Host], now_us: int
) -> Admission:
    """Decide. by_id: who has that host id; by_name: active hosts of that name. BadTokenError."""
    if token is None or not same_name(asked.name, token.host_name):
        raise BadTokenError
    if token.host_id is not None:
        # The answer may have been lost: the same host with the same key gets it again.
        same = by_id is not None and (
            token.host_id == asked.host_id == by_id.host_id
            and by_id.state is HostState.ACTIVE
            and hmac.compare_digest(by_id.public_key, asked.public_key)
        )
        if not same:
            raise BadTokenError
        return Admission(again=True)
    if now_us >= token.expires_us or by_id is not None:
        raise BadTokenError
    if by_name and not token.replaces:
        raise BadTokenError
    return Admission(again=False, replaced=tuple(by_name))


def check_new_token(name: str, *, replaces: bool, by_name: list[Host]) -> None:
    """Refuse (HostEnrolledError) a token for a name that is taken, unless it says so."""
    if by_name and not replaces:
        raise HostEnrolledError(name)
