"""The operator's desk for minting: make a key, hand it to its station once, prove it, or void it.

Whatever is cut off on the way leaves a key that no OTP is accepted of, and that nobody can be
given a second time: it is voided at once where that is known, and at its expiry in any case.
"""

from contextlib import suppress
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from hsm.provisioning import key_states
from hsm.provisioning.key_states import IllegalTransitionError, KeyEvent, KeyState
from hsm.provisioning.mint import mint
from hsm.provisioning.release import ReleaseContext
from hsm.provisioning.release_states import (
    KeptRelease,
    ReleaseEvent,
    ReleaseState,
    take_release,
)
from hsm.vault import OtpKeyBinding, Vault
from server.accounts.text import InputError, checked_name
from server.journal.acts import Cause
from server.otp.keys import UnknownKeyError
from server.otp.ports import Advance, KeyExistsError, NewKey, StoreError, UnknownOutcomeError
from server.provisioning.ports import Draw, MintedKey, MintError, MintingBook
from validation import modhex
from validation.otp import (
    MAX_PUBLIC_ID_LETTERS,
    InvalidOtpError,
    MalformedOtpError,
    Otp,
    parse_otp,
)

MAX_EXPIRES_MINUTES = 30 * 24 * 60
_MINUTE_US = 60_000_000
_OWN_PREFIX = "vv"  # what YubiKeys begin with that were not programmed by their maker
_DRAWN_OCTETS = 5


class Order(NamedTuple):
    """What is to be made.

    serial: the YubiKey's, 0 when it has none to show; station_key: the station's X25519 public
    key, PEM; public_id: "" draws one; expires_minutes: within which the release is taken, the
    YubiKey programmed and the key activated.
    """

    order: str
    serial: int
    station: str
    station_key: str
    public_id: str
    expires_minutes: int


class MintingDesk:
    """What an operator may do with keys that are made here. Store and vault errors pass through."""

    def __init__(self, book: MintingBook, vault: Vault, draw: Draw) -> None:
        self._book = book
        self._vault = vault
        self._draw = draw

    async def mint(self, wanted: Order, *, cause: Cause) -> MintedKey:
        """Make a key and offer its release. InputError, MintError; then nothing is stored."""
        recipient = station_key(wanted.station_key)
        order, station = checked_name(wanted.order), checked_name(wanted.station)
        if not 1 <= wanted.expires_minutes <= MAX_EXPIRES_MINUTES:
            raise InputError(f"a release expires after 1 to {MAX_EXPIRES_MINUTES:,} minutes")
        public_id = await self._public_id(wanted.public_id)
        generation = await self._next_generation(public_id)
        expires_us = await self._book.store_time_us() + wanted.expires_minutes * _MINUTE_US
        context = ReleaseContext(order, public_id, generation, wanted.serial, station, expires_us)
        try:
            context.pack()
        except ValueError as error:
            raise InputError(f"{error}: give shorter names, or another serial number") from None
        minted = await mint(self._vault, self._draw, context, recipient)
        serial = str(wanted.serial) if wanted.serial else ""
        key = NewKey(public_id, generation, minted.record, serial)
        kept = KeptRelease.offered(minted.release)
        try:
            return await self._book.add_minted(key, kept, act=cause.act("key.mint"))
        except KeyExistsError as error:
            raise _taken(public_id) from error

    async def show(self, public_id: str) -> MintedKey:
        """Return a minted key; UnknownKeyError, or MintError for one that was not made here."""
        found = await self._book.minted_key(public_id)
        if found is not None:
            return found
        if await self._book.key_details(public_id) is None:
            raise UnknownKeyError(public_id)
        raise MintError(
            f"the key {public_id} was brought in, not minted here: there is nothing to hand out,"
            " activate or void. `keystead key enable` and `disable` switch it"
        )

    async def release(self, public_id: str, *, order: str, station: str, cause: Cause) -> bytes:
        """Return the sealed release to its station: once, ever.

        Raises ReleaseGoneError, WrongStationError, UnknownKeyError. When the store does not know
        whether it noted the taking, nobody gets it and the key is voided.
        """
        minted = await self.show(public_id)
        now_us = await self._book.store_time_us()
        shelf = _Shelf(self._book, minted, cause)
        try:
            return await take_release(
                shelf, order=order, public_id=public_id, station=station, now_us=now_us
            )
        except UnknownOutcomeError:
            why = cause._replace(reason="it is not known whether its release was noted as taken")
            # What cannot be voided now is voided at its expiry; nobody was given its secret.
            with suppress(StoreError, MintError, IllegalTransitionError):
                await self.void(public_id, cause=why)
            raise

    async def activate(self, public_id: str, otp: str, *, cause: Cause) -> MintedKey:
        """Accept a key's OTPs from now on, shown one of them. It is spent with that.

        Raises InputError, MintError, IllegalTransitionError (void, or active already).
        """
        minted = await self.show(public_id)
        shown = _read(otp, public_id)
        state = key_states.after(minted.state, KeyEvent.ACTIVATE)
        if await self._book.store_time_us() >= minted.kept.context.expires_us:
            await self._expire(minted, cause)
            raise MintError(
                f"the key {public_id} was not activated in time and is void: mint another"
            )
        if minted.kept.state is ReleaseState.OFFERED:
            raise MintError(
                f"the release of {public_id} was not handed out yet, so no YubiKey can hold this"
                " key: take the release, program the YubiKey, then activate"
            )
        stored = await self._book.key(public_id)
        if stored is None:
            raise MintError(f"the key {public_id} has no record any more: void it, mint another")
        binding = OtpKeyBinding(public_id, minted.kept.context.generation)
        try:
            fields = await self._vault.open_otp(binding, stored.record, shown.ciphertext)
        except InvalidOtpError:
            raise MintError(
                f"this OTP was not made with the key minted for {public_id}: the YubiKey holds"
                " another secret. Program it again from its release, or void the key"
            ) from None
        counters = Advance(fields.session, fields.use, fields.clock)
        after = minted._replace(state=state)
        return await self._change(minted, after, cause, "key.activate", counters)

    async def void(self, public_id: str, *, cause: Cause) -> MintedKey:
        """Give a key up that was never active: its secret is destroyed, its release withdrawn."""
        minted = await self.show(public_id)
        if minted.state is KeyState.ACTIVE:
            raise MintError(
                f"the key {public_id} is active: people may be using it. `keystead key disable`"
                " refuses it from the next OTP on"
            )
        return await self._change(minted, _void(minted), cause, "key.void")

    async def _expire(self, minted: MintedKey, cause: Cause) -> None:
        await self._change(minted, _void(minted, ReleaseEvent.EXPIRE), cause, "key.expire")

    async def _change(
        self,
        before: MintedKey,
        after: MintedKey,
        cause: Cause,
        action: str,
        counters: Advance | None = None,
    ) -> MintedKey:
        act = cause.act(action)
        if not await self._book.change_minted(before, after, counters=counters, act=act):
            raise MintError(
                f"somebody else changed the key {before.public_id} at this moment; nothing was"
                " changed now. Look at it: keystead key minted"
            )
        return after

    async def _public_id(self, given: str) -> str:
        if not given:
            return _OWN_PREFIX + modhex.encode(await self._draw(_DRAWN_OCTETS))
        public_id = given.lower()
        whole = len(public_id) % 2 == 0 and len(public_id) <= MAX_PUBLIC_ID_LETTERS
        if not whole or not modhex.is_modhex(public_id):
            raise InputError(
                f"a public id has 2 to {MAX_PUBLIC_ID_LETTERS} modhex letters"
                " (cbdefghijklnrtuv), an even number: a YubiKey is programmed with octets"
            )
        return public_id

    async def _next_generation(self, public_id: str) -> int:
        """Return the number of the next secret, before any is made; MintError."""
        before = await self._book.minted_key(public_id)
        known = await self._book.key_details(public_id) is not None
        if known or (before is not None and before.state is not KeyState.DESTROYED):
            raise _taken(public_id)
        return 1 if before is None else before.kept.context.generation + 1


class _Shelf:
    """One release on its way to a station: `ReleaseBook` over the book of minted keys."""

    def __init__(self, book: MintingBook, minted: MintedKey, cause: Cause) -> None:
        self._book = book
        self._minted = minted
        self._cause = cause

    async def kept_release(self, order: str, public_id: str) -> KeptRelease | None:
        """Return what is kept of a release, or None."""
        found = await self._book.minted_key(public_id)
        if found is None or found.kept.context.order != order:
            return None
        self._minted = found
        return found.kept

    async def swap_release(self, before: KeptRelease, after: KeptRelease) -> bool:
        """Note what becomes of the release; a key whose release expires is void with that."""
        minted = self._minted._replace(kept=before)
        changed, action = minted._replace(kept=after), "key.release"
        if after.state is ReleaseState.EXPIRED:
            changed, action = _void(changed), "key.expire"
        return await self._book.change_minted(minted, changed, act=self._cause.act(action))


def station_key(text: str) -> X25519PublicKey:
    """Read a station's public key; InputError."""
    try:
        key = load_pem_public_key(text.encode())
    except Exception as error:  # whatever the library makes of what is no key
        raise InputError("the station's key is not a public key in PEM") from error
    if not isinstance(key, X25519PublicKey):
        raise InputError("the station's key must be an X25519 public key")
    try:
        X25519PrivateKey.generate().exchange(key)
    except ValueError:
        raise InputError("the station's key is a point that keeps nothing secret") from None
    return key


def _void(minted: MintedKey, event: ReleaseEvent = ReleaseEvent.WITHDRAW) -> MintedKey:
    """Return a key after it was given up; IllegalTransitionError when it was already."""
    state = key_states.after(minted.state, KeyEvent.DESTROY)
    kept = minted.kept
    if kept.state is ReleaseState.OFFERED:
        kept = kept.after(event)
    return minted._replace(kept=kept, state=state)


def _read(text: str, public_id: str) -> Otp:
    try:
        otp = parse_otp(text.strip())
    except MalformedOtpError as error:
        raise InputError(f"{error}: touch the YubiKey and hand on what it types") from None
    if otp.public_id != public_id:
        raise InputError(f"this OTP is of another key than {public_id}")
    return otp


def _taken(public_id: str) -> MintError:
    return MintError(
        f"the public id {public_id!r} is known already: no second key is made under it. Leave it"
        " out to have one drawn"
    )
