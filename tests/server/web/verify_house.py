"""The whole way of a verification: door, room, batches, store; only clock and keys are ours."""

import ipaddress
from collections.abc import Sequence
from typing import NamedTuple

from hsm.keyfile import SealingKey
from hsm.rings import Rings
from hsm.sealed_vault import SealedVault
from server.clock import SystemClock
from server.metrics.counted_store import CountedHotStore
from server.metrics.tally import Tally
from server.otp.settings import VerifierSettings
from server.otp.verdict import Source, Verdict
from server.web.guard import Caps
from server.web.source import SourceReader
from server.web.verify import verify_app
from tests.server.otp.room import GENEROUS, Client, Room, sign_query
from tests.server.storage.keepers import Keeper, MemoryKeeper
from tests.server.web.conftest import Door, OpenDoor
from tests.server.web.peer import Peer, Reply, get, post
from validation.gcra import Policy
from validation.request import Protocol
from validation.signature import ApiKey

PATH = "/wsapi/2.0/verify"
NONCE = "abcdefghijklmnop"


class House(NamedTuple):
    """A served door and the room behind it. tally: what the door and the store counted."""

    door: Door
    room: Room
    tally: Tally

    async def get(self, query: str | bytes, path: str = PATH) -> Reply:
        """Ask by GET on a connection of its own."""
        raw = query.encode() if isinstance(query, str) else query
        async with Peer(self.door.host, self.door.port) as peer:
            return await peer.ask(get(path.encode() + b"?" + raw))

    async def post(self, body: bytes) -> Reply:
        """Ask by POST on a connection of its own."""
        async with Peer(self.door.host, self.door.port) as peer:
            return await peer.ask(post(PATH, body))


def signed(client: Client, otp: str, *, nonce: str = NONCE, **more: str) -> str:
    """Return a client's signed query."""
    return sign_query({"id": str(client.client_id), "otp": otp, "nonce": nonce, **more}, client.key)


def status_of(body: bytes) -> str:
    """Return the one status of an answer; every line must be `key=value` and end in CRLF."""
    text = body.decode("ascii")
    assert text.endswith("\r\n\r\n")
    lines = text.removesuffix("\r\n\r\n").split("\r\n")
    fields = dict(line.split("=", 1) for line in lines)
    assert len(fields) == len(lines)
    assert "\n" not in text.replace("\r\n", "")
    assert "\r" not in text.replace("\r\n", "")
    assert text.count("status=") == 1
    return fields["status"]


def is_signed_by(body: bytes, key: ApiKey) -> bool:
    """Tell whether an answer's `h` is this key's."""
    fields = dict(line.split("=", 1) for line in body.decode().split("\r\n") if line)
    signature = fields.pop("h")
    line = "&".join(f"{name}={value}" for name, value in sorted(fields.items()))
    return key.verifies(line.encode(), signature)


class FromAfar:
    """Shows a room requests of loopback as requests of a stranger, who is not exempt."""

    def __init__(self, room: Room) -> None:
        self._verify = room.verifier.verify

    async def verify(self, query: bytes | str, protocol: Protocol, source: Source) -> Verdict:
        return await self._verify(query, protocol, source._replace(exempt=False))


async def open_house(
    open_door: OpenDoor,
    *,
    keeper: Keeper | None = None,
    policy: Policy = GENEROUS,
    settings: VerifierSettings = VerifierSettings(),  # noqa: B008 - a frozen value
    trusted: Sequence[str] = (),
    from_afar: bool = False,
    caps: Caps = Caps(),  # noqa: B008 - a frozen value
) -> House:
    """Open a house on a store, by default one in memory."""
    keeper = keeper or MemoryKeeper(policy)
    vault = SealedVault(Rings.single(SealingKey.of(bytes(range(32)))))
    room = Room(keeper, await keeper.open(), vault, policy=policy, settings=settings)
    tally = Tally.in_memory()
    room.batcher = type(room.batcher)(CountedHotStore(room.store, tally), clock=room.clock)
    room.verifier = room.worker(room.batcher)
    app = verify_app(
        FromAfar(room) if from_afar else room.verifier,
        tally=tally,
        clock=SystemClock(),
        sources=SourceReader([ipaddress.ip_network(network) for network in trusted]),
    )
    return House(await open_door(app, caps), room, tally)
