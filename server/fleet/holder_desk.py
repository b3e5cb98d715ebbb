"""The operator's desk for who holds which key, and whose a host is."""

import asyncio
import secrets
from collections.abc import Sequence
from typing import NamedTuple

from server.fleet.desk import MAX_PAGE
from server.fleet.holder_file import MAX_LISTED, SheetFault, read_holders
from server.fleet.holder_ports import (
    Entrusting,
    Forgotten,
    HeldKey,
    HolderBook,
    HolderSearch,
    Imported,
    UnknownClaimError,
    UnknownHolderError,
)
from server.fleet.holders import (
    Holder,
    HolderClaim,
    HolderKind,
    KeyName,
    checked_person,
    name_of_serial,
)
from server.fleet.hosts import Host
from server.fleet.policy import SERIAL_KEY, SERIAL_KEY_OCTETS
from server.fleet.ports import UnknownHostError
from server.journal.acts import Cause


class SheetError(Exception):
    """A sheet has faults, and nothing of it is kept."""

    def __init__(self, faults: Sequence[SheetFault], count: int) -> None:
        super().__init__(
            f"{count} faults in the file; nothing was changed. Mend them and import it again"
        )
        self.faults = faults
        self.count = count


class Named(NamedTuple):
    """How an operator names a key: by its number or by its id, one of which is there."""

    serial: int | None = None
    key_id: str = ""


class HolderDesk:
    """What an operator may do with the registry. plain: keys are named by their numbers.

    Store errors pass through.
    """

    def __init__(self, book: HolderBook, *, plain: bool) -> None:
        self._book = book
        self._plain = plain
        self._known_key = b""

    async def list(
        self, search: HolderSearch, serial: int | None, after: str, limit: int
    ) -> Sequence[HeldKey]:
        """Return holders that are looked for, of keys with an id beyond `after`."""
        if serial is not None:
            search = search._replace(ids=(await self._name(Named(serial))).ids)
        return await self._book.fleet_holders(search, after, max(1, min(limit, MAX_PAGE)))

    async def entrust(
        self, key: Named, person: str, kind: HolderKind, *, handed_over: bool, cause: Cause
    ) -> HeldKey:
        """Say who holds a key. InputError."""
        wanted = Entrusting(await self._name(key), checked_person(person), kind, handed_over)
        return await self._book.entrust(wanted, act=cause.act("fleet-holder.set"))

    async def release(self, key_id: str, *, cause: Cause) -> Holder:
        """Take out who holds a key. UnknownHolderError."""
        was = await self._book.release(key_id, act=cause.act("fleet-holder.remove"))
        if was is None:
            raise UnknownHolderError(key_id)
        return was

    async def import_sheet(self, octets: bytes, *, dry_run: bool, cause: Cause) -> Imported:
        """Import a sheet, all of it or nothing. SheetError.

        Read in a thread: verifications have their turns meanwhile.
        """
        serial_key = await self._serial_key()
        rows = await asyncio.to_thread(_read, octets, serial_key, plain=self._plain)
        act = cause.act("fleet-holder.import")
        return await self._book.import_holders(rows, dry_run=dry_run, act=act)

    async def assign(self, host_id: str, person: str, *, cause: Cause) -> Host:
        """Say whose a host is, "" = nobody's. InputError, UnknownHostError."""
        person = checked_person(person) if person.strip() else ""
        host = await self._book.assign_host(host_id, person, act=cause.act("host.assign"))
        if host is None:
            raise UnknownHostError(host_id)
        return host

    async def forget(self, person: str, *, cause: Cause) -> Forgotten:
        """Forget a person. InputError."""
        act = cause.act("fleet-person.erase")
        return await self._book.forget_person(checked_person(person), act=act)

    async def claims(self, serial: int | None, after: str, limit: int) -> Sequence[HolderClaim]:
        """Return claims that wait, with an id beyond `after`. serial: only about this key."""
        ids = None if serial is None else (await self._name(Named(serial))).ids
        return await self._book.fleet_claims(ids, after, max(1, min(limit, MAX_PAGE)))

    async def accept(
        self, key_id: str, host_id: str, *, cause: Cause, claim_id: str = ""
    ) -> HeldKey:
        """Make the registry say what a host's user says. UnknownClaimError.

        claim_id: the claim that was looked at: its user may say something else by now.
        """
        act = cause.act("fleet-holder.accept")
        held = await self._book.accept_claim(key_id, host_id, act=act, claim_id=claim_id)
        if held is None:
            raise UnknownClaimError(key_id, host_id)
        return held

    async def dismiss(
        self, key_id: str, host_id: str, *, cause: Cause, claim_id: str = ""
    ) -> HolderClaim:
        """Take away what a host's user says. UnknownClaimError."""
        act = cause.act("fleet-holder.dismiss")
        claim = await self._book.dismiss_claim(key_id, host_id, act=act, claim_id=claim_id)
        if claim is None:
            raise UnknownClaimError(key_id, host_id)
        return claim

    async def _name(self, key: Named) -> KeyName:
        if key.serial is None:
            return KeyName(key.key_id)
        return name_of_serial(key.serial, await self._serial_key(), plain=self._plain)

    async def _serial_key(self) -> bytes:
        if not self._known_key:
            # It is there once agents could come, or from now on, and never becomes another one.
            proposed = secrets.token_bytes(SERIAL_KEY_OCTETS).hex()
            self._known_key = bytes.fromhex(await self._book.settle_meta(SERIAL_KEY, proposed))
        return self._known_key


def _read(octets: bytes, serial_key: bytes, *, plain: bool) -> Sequence[Entrusting]:
    """Return what a sheet says, each key once, by its number or by its id. SheetError."""
    found = read_holders(octets)
    if found.fault_count:
        raise SheetError(found.faults, found.fault_count)
    lines: dict[str, int] = {}
    faults = []
    rows = []
    for row in found.rows:
        name = KeyName(row.key_id)
        if row.serial is not None:
            name = name_of_serial(row.serial, serial_key, plain=plain)
        earlier = next((lines[one] for one in name.ids if one in lines), None)
        if earlier is not None:
            said = f"line {earlier} names the same key; a key has one holder, so remove one"
            faults.append(SheetFault(row.line, 0, "", said))
        lines |= dict.fromkeys(name.ids, row.line)
        rows.append(Entrusting(name, row.person, row.kind))
    if faults:
        raise SheetError(faults[:MAX_LISTED], len(faults))
    return rows
