"""A release is handed out once: to its station, in time, and to one of two who ask at once."""

import asyncio

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from hsm.provisioning.release import ReleaseContext, open_release, seal_release
from hsm.provisioning.release_states import (
    TRANSITIONS,
    KeptRelease,
    ReleaseEvent,
    ReleaseGoneError,
    ReleaseState,
    WrongStationError,
    take_release,
)
from hsm.vault import OtpKeySecrets

KEY = X25519PrivateKey.generate()
CONTEXT = ReleaseContext("order-7", "cccccccccccb", 1, 7, "station-1", 1_000)
SECRETS = OtpKeySecrets(bytes(16), bytes(6))


class Shelf:
    """A book of releases in memory: compares and sets, and lets others in between."""

    def __init__(self) -> None:
        kept = KeptRelease.offered(seal_release(CONTEXT, SECRETS, KEY.public_key()))
        self.kept = {("order-7", "cccccccccccb"): kept}
        self.broken = False

    async def kept_release(self, order: str, public_id: str) -> KeptRelease | None:
        await asyncio.sleep(0)
        return self.kept.get((order, public_id))

    async def swap_release(self, before: KeptRelease, after: KeptRelease) -> bool:
        await asyncio.sleep(0)
        place = (before.context.order, before.context.public_id)
        if self.kept.get(place) != before:
            return False
        self.kept[place] = after
        if self.broken:
            raise ConnectionError("the commit was not confirmed")
        return True

    @property
    def one(self) -> KeptRelease:
        return self.kept["order-7", "cccccccccccb"]


async def take(shelf: Shelf, *, station: str = "station-1", now_us: int = 999) -> bytes:
    return await take_release(
        shelf, order="order-7", public_id="cccccccccccb", station=station, now_us=now_us
    )


async def test_the_station_takes_it_and_the_store_keeps_nothing_of_it() -> None:
    shelf = Shelf()
    message = await take(shelf)
    context, secrets = open_release(
        message, KEY, order="order-7", serial=7, station="station-1", now_us=999
    )
    assert (context, secrets) == (CONTEXT, SECRETS)
    assert shelf.one == KeptRelease(CONTEXT, ReleaseState.TAKEN, b"")


async def test_s22_a_release_is_delivered_once() -> None:
    shelf = Shelf()
    await take(shelf)
    with pytest.raises(ReleaseGoneError, match="taken already"):
        await take(shelf)


async def test_s22_of_many_who_ask_at_once_one_gets_it() -> None:
    shelf = Shelf()
    found = await asyncio.gather(*(take(shelf) for _ in range(20)), return_exceptions=True)
    assert sum(isinstance(one, bytes) for one in found) == 1
    assert sum(isinstance(one, ReleaseGoneError) for one in found) == 19


async def test_another_station_gets_nothing_and_spoils_nothing() -> None:
    shelf = Shelf()
    with pytest.raises(WrongStationError):
        await take(shelf, station="station-2")
    assert await take(shelf)


async def test_too_late_is_too_late_for_good() -> None:
    shelf = Shelf()
    with pytest.raises(ReleaseGoneError, match="expired"):
        await take(shelf, now_us=1_000)
    assert shelf.one == KeptRelease(CONTEXT, ReleaseState.EXPIRED, b"")
    with pytest.raises(ReleaseGoneError):
        await take(shelf, now_us=1)


async def test_s22_a_taking_of_unknown_outcome_delivers_nothing_then_or_later() -> None:
    shelf = Shelf()
    shelf.broken = True
    with pytest.raises(ConnectionError):
        await take(shelf)
    shelf.broken = False
    with pytest.raises(ReleaseGoneError):
        await take(shelf)


async def test_a_release_nobody_knows_is_said_to_be_unknown() -> None:
    with pytest.raises(ReleaseGoneError, match="not known"):
        await take_release(Shelf(), order="o", public_id="c", station="s", now_us=0)


def test_nothing_leads_back_to_an_offer_and_nothing_keeps_its_message() -> None:
    assert ReleaseState.OFFERED not in TRANSITIONS.values()
    offered = KeptRelease(CONTEXT, ReleaseState.OFFERED, b"message")
    for event in ReleaseEvent:
        gone = offered.after(event)
        assert gone.message == b""
        for again in ReleaseEvent:
            with pytest.raises(ReleaseGoneError):
                gone.after(again)
