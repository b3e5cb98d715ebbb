"""A keeper of every store port in memory: as strict as the real ones, gone with the process.

It passes the same contract suite as SQLite and PostgreSQL; the decision on a batch is the
product's own pure function.
"""

import bisect
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from hsm.provisioning.key_states import KeyState
from hsm.seals import describe, seal_of
from server.accounts.customer_ports import ContactDetails, UnknownCustomerError
from server.accounts.ports import ApiKeyDetails, BucketUsage, ClientDetails, LimitOverride
from server.accounts.states import client_state, client_subject
from server.clock import Clock
from server.facts import Fact, NewFact
from server.journal.acts import Act, Deed, State, Subject
from server.journal.checkpoint import Checkpoint
from server.journal.entry import BEGINNING, End, append
from server.journal.entry import Entry as JournalEntry
from server.journal.ports import ALL, Selection
from server.leases import Lease, LeaseLostError
from server.moving.counters_file import Counters
from server.moving.ports import (
    ConflictError,
    Gathered,
    IncomingClient,
    KnownClient,
    KnownKey,
    Progress,
    StoredClient,
    StoredKey,
)
from server.otp.decision import ClientRow, KeyRow, Limit, check_batch, decide
from server.otp.ports import (
    Advance,
    ClientRecord,
    Entry,
    KeyDetails,
    KeyExistsError,
    KeyNotActivatedError,
    KeyRecord,
    NewKey,
    Outcome,
    SealedApiKey,
    StaleSealError,
)
from server.otp.states import ImportSummary, key_state, key_subject
from server.provisioning.ports import CountersAheadError
from server.resealing.ports import Kind, RecordsLeftError, SealedRecord, Swap
from server.storage.limits import check_policy
from tests.server.memory_accounts import MemoryAccounts
from tests.server.memory_advisories import MemoryAdvisories
from tests.server.memory_fences import MemoryFences
from tests.server.memory_fleet import MemoryFleet
from tests.server.memory_incidents import MemoryIncidents
from tests.server.memory_ledger import MemoryLedger
from tests.server.memory_maintenance import MemoryMaintenance
from tests.server.memory_minting import MemoryMinting
from tests.server.memory_notices import MemoryNotices
from tests.server.memory_probes import MemoryProbes
from tests.server.memory_reports import MemoryReports
from tests.server.memory_uptime import MemoryUptime
from tests.server.memory_usage import MemoryUsage
from validation.gcra import Budget, Policy


class _ApiKey(NamedTuple):
    key_id: int
    record: bytes
    created_us: int


class _Client(NamedTuple):
    name: str
    active: bool
    version: int
    signed_only: bool
    phishing_test: bool
    customer_id: int | None
    created_us: int
    limit: LimitOverride | None
    api_keys: tuple[_ApiKey, ...]


class _Key(NamedTuple):
    """What is stored of a key beside its counters."""

    serial: str
    generation: int
    record: bytes
    created_us: int
    accepted_client: int


class MemoryStore(
    MemoryAccounts,
    MemoryFences,
    MemoryUsage,
    MemoryReports,
    MemoryLedger,
    MemoryUptime,
    MemoryMaintenance,
    MemoryFleet,
    MemoryAdvisories,
    MemoryMinting,
    MemoryProbes,
    MemoryIncidents,
    MemoryNotices,
):
    """HotStore, Directory and every book on dictionaries."""

    def __init__(self, *, clock: Clock, default_policy: Policy) -> None:
        super().__init__()
        self._clock = clock
        self._default_policy = default_policy
        self._clients: dict[int, _Client] = {}
        self._next_client_id = 1
        self._budgets: dict[tuple[int, int], Budget] = {}
        self._keys: dict[str, _Key] = {}
        self._rows: dict[str, KeyRow] = {}
        self._meta: dict[str, str] = {}
        self._journal: list[JournalEntry] = []
        self._checkpoints: list[Checkpoint] = []
        self._leases: dict[str, Lease] = {}
        self._facts: list[Fact] = []
        self._last_fact = 0
        self._readers: dict[str, int] = {}
        self._told: dict[int, tuple[str | None, str | None]] = {}
        self._kept: dict[str, Counters] = {}
        self._retired: dict[Kind, set[bytes]] = {kind: set() for kind in Kind}

    async def remove_contact(
        self, customer_id: int, contact_id: int, *, act: Act
    ) -> ContactDetails | None:
        removed = await super().remove_contact(customer_id, contact_id, act=act)
        if removed is not None:
            self.erase_place(contact_id)
        return removed

    async def spend_and_advance(self, batch: Sequence[Entry]) -> Sequence[Outcome]:
        check_batch(batch)
        decision = decide(
            batch,
            clients={number: _client_row(client) for number, client in self._clients.items()},
            keys=self._rows,
            budgets=self._budgets,
            default_policy=self._default_policy,
            now_us=self._clock.now_us(),
        )
        self._budgets.update(decision.budgets)
        for update in decision.keys:
            public_id = update.public_id
            self._rows[public_id] = self._rows[public_id]._replace(
                session=update.session,
                use=update.use,
                clock=update.clock,
                nonce=update.nonce,
                accepted_us=update.accepted_us,
            )
            self._keys[public_id] = self._keys[public_id]._replace(
                accepted_client=update.accepted_client
            )
        return decision.outcomes

    async def client(self, client_id: int) -> ClientRecord | None:
        client = self._clients.get(client_id)
        if client is None:
            return None
        limit = client.limit
        now_us = self._clock.now_us()
        if limit is not None and limit.expires_us is not None and now_us >= limit.expires_us:
            limit = None
        return ClientRecord(
            client_id,
            client.version,
            client.active,
            client.signed_only,
            client.phishing_test,
            shadow=limit is not None and limit.shadow,
            policy=limit.policy if limit else self._default_policy,
            api_keys=tuple(SealedApiKey(key.key_id, key.record) for key in client.api_keys),
        )

    async def key(self, public_id: str) -> KeyRecord | None:
        key, row = self._keys.get(public_id), self._rows.get(public_id)
        if key is None:
            return None
        # A row that was lost (S6) must not hide the key: the batch finds out and says so.
        version, active = (row.version, row.active) if row else (1, True)
        return KeyRecord(public_id, version, active, key.generation, key.record)

    async def add_keys(self, keys: Sequence[NewKey], *, act: Act) -> None:
        seen: set[str] = set()
        for key in keys:
            if key.public_id in self._keys or key.public_id in seen:
                raise KeyExistsError(key.public_id)
            seen.add(key.public_id)
        self._refuse_retired(Kind.OTP, [key.record for key in keys])
        if keys:
            summary = ImportSummary()
            summary.add(sorted(keys))
            self._write_down(act, summary.subject, None, summary.state())
        self._make_keys(keys)

    def _make_keys(self, keys: Sequence[NewKey]) -> None:
        now_us = self._clock.now_us()
        for key in keys:
            self._keys[key.public_id] = _Key(key.serial, key.generation, key.record, now_us, 0)
            self._rows[key.public_id] = _key_row(self._kept.get(key.public_id))

    async def key_details(self, public_id: str) -> KeyDetails | None:
        if public_id not in self._rows:
            return None
        key, row = self._keys[public_id], self._rows[public_id]
        return KeyDetails(
            public_id=public_id,
            serial=key.serial,
            active=row.active,
            version=row.version,
            generation=key.generation,
            session=row.session,
            use=row.use,
            accepted_us=row.accepted_us,
            accepted_client=key.accepted_client,
            created_us=key.created_us,
        )

    async def list_keys(self, after: str | None, limit: int) -> Sequence[KeyDetails]:
        ids = sorted(self._rows)
        start = 0 if after is None else bisect.bisect_right(ids, after)
        found = [await self.key_details(public_id) for public_id in ids[start : start + limit]]
        return [details for details in found if details is not None]

    async def set_key_active(self, public_id: str, *, active: bool, act: Act) -> KeyDetails | None:
        before = await self.key_details(public_id)
        if before is None:
            return None
        minted = await self.minted_key(public_id)
        if active and minted is not None and minted.state is KeyState.PRE_ACTIVATION:
            raise KeyNotActivatedError(public_id)
        after = before._replace(active=active, version=before.version + 1)
        self._write_down(act, key_subject(public_id), key_state(before), key_state(after))
        row = self._rows[public_id]
        self._rows[public_id] = row._replace(active=active, version=after.version)
        return after

    def _bring(self, key: NewKey) -> None:
        if key.public_id in self._keys or key.public_id in self._kept:
            raise KeyExistsError(key.public_id)
        self._refuse_retired(Kind.OTP, [key.record])
        self._make_keys([key])
        self._rows[key.public_id] = self._rows[key.public_id]._replace(active=False)

    def _activate(self, public_id: str, counters: Advance) -> None:
        row = self._rows.get(public_id)
        if row is None or (row.session, row.use) >= (counters.session, counters.use):
            raise CountersAheadError(public_id)
        self._rows[public_id] = row._replace(
            active=True,
            version=row.version + 1,
            session=counters.session,
            use=counters.use,
            clock=counters.clock,
            accepted_us=self._clock.now_us(),
        )

    def _destroy(self, public_id: str) -> bytes:
        self._rows.pop(public_id, None)
        return self._keys.pop(public_id).record

    async def reserve_client_id(self) -> int:
        self._next_client_id += 1
        return self._next_client_id - 1

    async def add_client(
        self,
        client_id: int,
        name: str,
        api_key_record: bytes,
        *,
        signed_only: bool,
        phishing_test: bool,
        customer_id: int | None = None,
        act: Act,
    ) -> ClientDetails:
        self._require_customer(customer_id)
        self._refuse_retired(Kind.SECRETS, [api_key_record])
        now_us = self._clock.now_us()
        client = _Client(
            name=name,
            active=True,
            version=1,
            signed_only=signed_only,
            phishing_test=phishing_test,
            customer_id=customer_id,
            created_us=now_us,
            limit=None,
            api_keys=(_ApiKey(1, api_key_record, now_us),),
        )
        details = self._details(client_id, client)
        self._write_down(act, client_subject(client_id), None, client_state(details))
        self._clients[client_id] = client
        return details

    async def client_details(self, client_id: int) -> ClientDetails | None:
        client = self._clients.get(client_id)
        return None if client is None else self._details(client_id, client)

    async def list_clients(
        self, after: int, limit: int, customer_id: int | None = None
    ) -> Sequence[ClientDetails]:
        found = [(number, one) for number, one in sorted(self._clients.items()) if number > after]
        mine = [(number, one) for number, one in found if customer_id in {None, one.customer_id}]
        return [self._details(number, client) for number, client in mine[:limit]]

    async def assign_client(
        self, client_id: int, customer_id: int | None, *, act: Act
    ) -> ClientDetails | None:
        client = self._clients.get(client_id)
        if client is None:
            return None
        self._require_customer(customer_id)
        return self._change(client_id, act, client._replace(customer_id=customer_id))

    def _require_customer(self, customer_id: int | None) -> None:
        if customer_id is not None and customer_id not in self._customers:
            raise UnknownCustomerError(customer_id)

    def _client_ids_of(self, customer_id: int) -> tuple[int, ...]:
        return tuple(
            number
            for number, client in sorted(self._clients.items())
            if client.customer_id == customer_id
        )

    async def set_client_active(
        self, client_id: int, *, active: bool, act: Act
    ) -> ClientDetails | None:
        client = self._clients.get(client_id)
        if client is None:
            return None
        return self._change(client_id, act, client._replace(active=active))

    async def set_client_limit(
        self, client_id: int, limit: LimitOverride | None, *, act: Act
    ) -> ClientDetails | None:
        if limit is not None:
            check_policy(limit.policy)
        client = self._clients.get(client_id)
        if client is None:
            return None
        return self._change(client_id, act, client._replace(limit=limit))

    async def set_client_options(
        self, client_id: int, *, signed_only: bool | None, phishing_test: bool | None, act: Act
    ) -> ClientDetails | None:
        client = self._clients.get(client_id)
        if client is None:
            return None
        if signed_only is not None:
            client = client._replace(signed_only=signed_only)
        if phishing_test is not None:
            client = client._replace(phishing_test=phishing_test)
        return self._change(client_id, act, client)

    async def add_api_key(
        self, client_id: int, key_id: int, record: bytes, *, act: Act
    ) -> ClientDetails | None:
        client = self._clients.get(client_id)
        if client is None:
            return None
        keys = client.api_keys
        if len(keys) != 1 or key_id != keys[-1].key_id + 1:
            raise ValueError("two keys are live, or this is not the next")
        self._refuse_retired(Kind.SECRETS, [record])
        added = _ApiKey(key_id, record, self._clock.now_us())
        return self._change(client_id, act, client._replace(api_keys=(*keys, added)))

    async def remove_oldest_api_key(self, client_id: int, *, act: Act) -> ClientDetails | None:
        client = self._clients.get(client_id)
        if client is None:
            return None
        if len(client.api_keys) == 1:
            raise ValueError("only one key is live")
        return self._change(client_id, act, client._replace(api_keys=client.api_keys[1:]))

    async def known_keys(self, public_ids: Sequence[str]) -> Mapping[str, KnownKey]:
        return {
            public_id: KnownKey(
                self._keys[public_id].generation,
                self._keys[public_id].record,
                self._counters(public_id),
            )
            for public_id in public_ids
            if public_id in self._rows
        }

    async def known_clients(self, client_ids: Sequence[int]) -> Mapping[int, KnownClient]:
        return {
            number: KnownClient(
                self._clients[number].active,
                *self._told.get(number, (None, None)),
                {key.key_id: key.record for key in self._clients[number].api_keys},
            )
            for number in client_ids
            if number in self._clients
        }

    async def kept_counters(self, public_ids: Sequence[str]) -> Mapping[str, Counters]:
        return {each: self._kept[each] for each in public_ids if each in self._kept}

    async def move_in(self, gathered: Gathered, progress: Progress, *, deed: Deed) -> None:
        keys = [each async for page in gathered.new_keys() for each in page]
        kept = [each async for page in gathered.kept() for each in page]
        raised = [each async for page in gathered.raised() for each in page]
        clients = await gathered.clients()
        await progress(len(keys) + len(kept) + len(raised))
        for kind, seals in zip((Kind.OTP, Kind.SECRETS), await gathered.seals(), strict=True):
            self._refuse_retired(kind, seals)
        taken = [each for each in clients if not each.is_known and each.client_id in self._clients]
        brought = {*(each.key.public_id for each in keys), *(each.public_id for each in kept)}
        if taken or brought & self._keys.keys():
            raise ConflictError
        self._make_keys([each.key for each in keys])
        self._write_down(*deed)
        for key, created_us, counters in keys:
            stored = self._keys[key.public_id]
            created_us = created_us or stored.created_us  # noqa: PLW2901 - 0 is now
            self._keys[key.public_id] = stored._replace(created_us=created_us)
            if counters is not None:
                self._raise(counters, version=0)
        for counters in kept:
            stored_counters = self._kept.get(counters.public_id, counters)
            self._kept[counters.public_id] = counters.later(stored_counters)
        for counters in raised:
            self._raise(counters, version=1)
        for client in clients:
            self._take(client)

    def _raise(self, counters: Counters, *, version: int) -> None:
        row = self._rows[counters.public_id]
        ahead = self._counters(counters.public_id).later(counters)
        self._rows[counters.public_id] = KeyRow(
            ahead.active,
            row.version + (version if row.active and not ahead.active else 0),
            *ahead[2:7],
        )

    def _take(self, client: IncomingClient) -> None:
        number = client.client_id
        email, notes = self._told.get(number, (None, None))
        self._told[number] = (email or client.email or None, notes or client.notes or None)
        if client.is_known:
            old = self._clients[number]
            self._clients[number] = old._replace(
                active=old.active and client.active, version=old.version + 1
            )
            return
        self._next_client_id = max(self._next_client_id, number + 1)
        created_us = client.created_us or self._clock.now_us()
        self._clients[number] = _Client(
            client.name,
            client.active,
            version=1,
            signed_only=False,
            phishing_test=False,
            customer_id=None,
            created_us=created_us,
            limit=None,
            api_keys=(_ApiKey(1, client.api_key, created_us),),
        )

    def _counters(self, public_id: str) -> Counters:
        row, key = self._rows[public_id], self._keys[public_id]
        return Counters(
            public_id,
            row.active,
            row.session,
            row.use,
            row.clock,
            row.nonce,
            row.accepted_us,
            key.created_us,
        )

    async def record_export(self, deed: Deed) -> None:
        self._write_down(*deed)

    async def keys_out(self, after: str | None, limit: int) -> Sequence[StoredKey]:
        return [
            StoredKey(
                public_id,
                self._keys[public_id].serial,
                self._keys[public_id].generation,
                self._keys[public_id].record,
                self._keys[public_id].created_us,
            )
            for public_id in _beyond(self._rows, after, limit)
        ]

    async def counters_out(self, after: str | None, limit: int) -> Sequence[Counters]:
        return [self._counters(public_id) for public_id in _beyond(self._rows, after, limit)]

    async def kept_out(self, after: str | None, limit: int) -> Sequence[Counters]:
        without_key = [each for each in self._kept if each not in self._rows]
        return [self._kept[public_id] for public_id in _beyond(without_key, after, limit)]

    async def clients_out(self, after: int, limit: int) -> Sequence[StoredClient]:
        ids = sorted(number for number in self._clients if number > after)[:limit]
        return [
            StoredClient(
                number,
                self._clients[number].name,
                self._clients[number].active,
                self._clients[number].created_us,
                *self._told.get(number, (None, None)),
                {key.key_id: key.record for key in self._clients[number].api_keys},
            )
            for number in ids
        ]

    async def meta(self, name: str) -> str | None:
        return self._meta.get(name)

    async def settle_meta(self, name: str, proposed: str, deed: Deed | None = None) -> str:
        if name not in self._meta and deed is not None:
            self._write_down(*deed)
        return self._meta.setdefault(name, proposed)

    async def swap_meta(self, name: str, before: str, after: str, deed: Deed) -> bool:
        if self._meta.get(name) != before:
            return False
        self._meta[name] = after
        self._write_down(*deed)
        return True

    async def set_meta(self, name: str, value: str) -> None:
        self._meta[name] = value

    async def metas(self, prefix: str) -> Mapping[str, str]:
        return {name: value for name, value in self._meta.items() if name.startswith(prefix)}

    async def note_hsm_log(
        self, name: str, was: str | None, now: str, facts: Sequence[NewFact], lease: Lease
    ) -> bool:
        self._require(lease)
        if self._meta.get(name) != was:
            return False
        self._meta[name] = now
        self.append_facts(facts)
        return True

    async def count_aead_records(self) -> int:
        stored = sum(key.record.startswith(b"\x02") for key in self._keys.values())
        return stored + self.spent_aeads

    async def probe(self) -> None:
        """Be ready, always."""

    async def close(self) -> None:
        """Have nothing to close."""

    def lose_counters(self, public_id: str) -> None:
        """Remove a key's counters and leave the key (S6)."""
        del self._rows[public_id]

    async def journal_end(self) -> End:
        return self._journal[-1].end if self._journal else BEGINNING

    async def journal_entries(
        self, after: int, limit: int, which: Selection = ALL
    ) -> Sequence[JournalEntry]:
        found = [entry for entry in self._selected(which) if entry.sequence > after]
        return found[:limit]

    async def latest_entries(self, limit: int, which: Selection = ALL) -> Sequence[JournalEntry]:
        return self._selected(which)[-limit:]

    async def store_time_us(self) -> int:
        return self._clock.now_us()

    async def add_checkpoint(self, checkpoint: Checkpoint, lease: Lease | None = None) -> int:
        if lease is not None:
            self._require(lease)
        self._checkpoints.append(checkpoint)
        return len(self._checkpoints)

    async def checkpoints(self, after: int, limit: int) -> Sequence[tuple[int, Checkpoint]]:
        return list(enumerate(self._checkpoints, 1))[after : after + limit]

    async def last_checkpoint(self) -> Checkpoint | None:
        return self._checkpoints[-1] if self._checkpoints else None

    async def acquire_lease(self, name: str, holder: str, duration_us: int) -> Lease | None:
        now_us = self._clock.now_us()
        before = self._leases.get(name)
        if before is not None and before.expires_us > now_us:
            return None
        token = 1 if before is None else before.token + 1
        self._leases[name] = Lease(name, holder, token, now_us, now_us + duration_us)
        return self._leases[name]

    async def renew_lease(self, lease: Lease, duration_us: int) -> Lease:
        self._require(lease)
        now_us = self._clock.now_us()
        self._leases[lease.name] = lease._replace(
            granted_us=now_us, expires_us=now_us + duration_us
        )
        return self._leases[lease.name]

    async def rest_lease(self, lease: Lease, until_us: int = 0) -> None:
        self._require(lease)
        self._leases[lease.name] = Lease(lease.name, "", lease.token + 1, 0, until_us)

    async def subscribe(self, reader: str, *, from_start: bool = False) -> int:
        newest = 0 if from_start else self._last_fact
        return self._readers.setdefault(reader, newest)

    async def unsubscribe(self, reader: str) -> None:
        self._readers.pop(reader, None)

    async def unread_facts(self, reader: str, limit: int) -> Sequence[Fact]:
        position = self._readers[reader]
        return [fact for fact in self._facts if fact.position > position][:limit]

    async def advance_reader(self, reader: str, position: int, lease: Lease | None = None) -> None:
        if lease is not None:
            self._require(lease)
        self._readers[reader] = max(self._readers[reader], position)

    async def prune_facts(self, before_us: int, lease: Lease | None = None) -> int:
        if lease is not None:
            self._require(lease)
        slowest = min(self._readers.values(), default=self._last_fact)
        kept = [
            fact for fact in self._facts if fact.position > slowest or fact.time_us >= before_us
        ]
        count = len(self._facts) - len(kept)
        self._facts = kept
        return count

    def append_facts(self, facts: Sequence[NewFact]) -> None:
        """Write facts down, as a room's change does within its transaction."""
        for fact in facts:
            self._last_fact += 1
            self._facts.append(Fact(self._last_fact, self._clock.now_us(), fact))

    def _records(self, kind: Kind) -> list[SealedRecord]:
        if kind is Kind.OTP:
            found = [
                SealedRecord((public_id, key.generation), key.record)
                for public_id, key in self._keys.items()
            ]
        else:
            found = [
                SealedRecord((number, key.key_id), key.record)
                for number, client in self._clients.items()
                for key in client.api_keys
            ]
        return sorted(found)

    async def count_seals(self) -> Mapping[Kind, Mapping[bytes, int]]:
        return {kind: Counter(seal_of(one.record) for one in self._records(kind)) for kind in Kind}

    async def not_under(
        self, kind: Kind, seal: bytes, after: SealedRecord | None, limit: int
    ) -> Sequence[SealedRecord]:
        beyond = [one for one in self._records(kind) if after is None or one.place > after.place]
        return [one for one in beyond if not one.record.startswith(seal)][:limit]

    async def swap(self, kind: Kind, swaps: Sequence[Swap], *, lease: Lease) -> int:
        self._require(lease)
        there = {one.place: one.record for one in self._records(kind)}
        done = [swap for swap in swaps if there.get(swap.old.place) == swap.old.record]
        for (name, number), new in ((swap.old.place, swap.new) for swap in done):
            if isinstance(name, str):
                self._keys[name] = self._keys[name]._replace(record=new)
            else:
                client = self._clients[name]
                keys = tuple(
                    key._replace(record=new) if key.key_id == number else key
                    for key in client.api_keys
                )
                self._clients[name] = client._replace(api_keys=keys)
        return len(done)

    async def retire_seals(
        self, kind: Kind, seals: Collection[bytes], *, lease: Lease, deed: Deed
    ) -> None:
        if not seals:
            return
        self._require(lease)
        left = sum(seal_of(one.record) in seals for one in self._records(kind))
        if left:
            raise RecordsLeftError(kind, left)
        self._write_down(*deed)
        self._retired[kind].update(seals)

    async def retired_seals(self, kind: Kind) -> frozenset[bytes]:
        return frozenset(self._retired[kind])

    def _refuse_retired(self, kind: Kind, records: Iterable[bytes]) -> None:
        stale = {seal_of(record) for record in records} & self._retired[kind]
        if stale:
            raise StaleSealError(describe(min(stale)))

    def _require(self, lease: Lease) -> None:
        held = self._leases.get(lease.name)
        if held is None or held.token != lease.token or self._clock.now_us() >= held.expires_us:
            raise LeaseLostError(lease)

    def _selected(self, which: Selection) -> list[JournalEntry]:
        return [
            entry
            for entry in self._journal
            if which.kind in {None, entry.deed.subject.kind}
            and which.id in {None, entry.deed.subject.id}
        ]

    def _write_down(
        self, act: Act, subject: Subject, before: State | None, after: State | None
    ) -> None:
        end = self._journal[-1].end if self._journal else BEGINNING
        deed = Deed(act, subject, before, after)
        self._journal.append(append(end, deed, self._clock.now_us()))

    def _change(self, client_id: int, act: Act, client: _Client) -> ClientDetails:
        before = self._details(client_id, self._clients[client_id])
        client = client._replace(version=client.version + 1)
        after = self._details(client_id, client)
        self._write_down(act, client_subject(client_id), client_state(before), client_state(after))
        self._clients[client_id] = client
        return after

    def _details(self, client_id: int, client: _Client) -> ClientDetails:
        return ClientDetails(
            client_id=client_id,
            name=client.name,
            active=client.active,
            version=client.version,
            signed_only=client.signed_only,
            phishing_test=client.phishing_test,
            customer_id=client.customer_id,
            created_us=client.created_us,
            limit=client.limit,
            api_keys=tuple(ApiKeyDetails(key.key_id, key.created_us) for key in client.api_keys),
            usage=tuple(
                BucketUsage(bucket, budget.burst_tat_us, budget.day_tat_us)
                for (number, bucket), budget in sorted(self._budgets.items())
                if number == client_id
            ),
        )


def _client_row(client: _Client) -> ClientRow:
    limit = client.limit
    override = limit and Limit(limit.policy, limit.shadow, limit.expires_us)
    return ClientRow(client.active, client.version, override)


def _key_row(counters: Counters | None) -> KeyRow:
    if counters is None:
        return KeyRow(active=True, version=1, session=-1, use=-1, clock=0, nonce="", accepted_us=0)
    return KeyRow(counters.active, 1, *counters[2:7])


def _beyond(public_ids: Iterable[str], after: str | None, limit: int) -> Sequence[str]:
    return sorted(each for each in public_ids if after is None or each > after)[:limit]
