"""A verification, from the query string to the signed answer.

Fetch, decide, store, answer: the request is read, the client passes the gate, the OTP is
opened, and one durable batch spends the budget and moves the counters. That batch is the
decision; an OK is never composed before it is committed. Nothing earlier consumes the OTP.

What memory knows is never the last word: a refusal that rests on it is decided again on
what the store says now, everything else is confirmed by the batch's version checks.
"""

from hsm.vault import Vault, VaultError
from server.clock import Clock
from server.otp.answers import Ruling, answer_form_fault, answer_request, answer_source_limit
from server.otp.batcher import Batcher
from server.otp.blocked import Blocked
from server.otp.buckets import UnsignedBuckets
from server.otp.client_cache import OpenClient, client_cache
from server.otp.deadlines import DeadlinePassedError, Deadlines
from server.otp.gate import pass_gate, signing_key
from server.otp.notices import Log, Notices
from server.otp.opener import OtpOpener
from server.otp.ports import SIGNED_BUCKET, Advance, Directory, Entry, Kind, Outcome, StoreError
from server.otp.sessions import Session, Sessions
from server.otp.settings import VerifierSettings
from server.otp.sources import SourceLimiter
from server.otp.verdict import LimitAdvice, Source, Verdict, advise
from validation.request import MalformedRequest, Protocol, VerifyRequest, parse_request
from validation.status import Status

__all__ = ["LimitAdvice", "Source", "Verdict", "Verifier", "VerifierSettings"]

_STATUS = {
    Kind.OK: Status.OK,
    Kind.REPLAYED_OTP: Status.REPLAYED_OTP,
    Kind.REPLAYED_REQUEST: Status.REPLAYED_REQUEST,
    Kind.DELAYED_OTP: Status.DELAYED_OTP,
    Kind.CHARGED: Status.BAD_OTP,
    Kind.LIMITED: Status.OPERATION_NOT_ALLOWED,
    Kind.STALE_CLIENT: Status.BACKEND_ERROR,  # when it is stale even after it was read again
    Kind.STALE_KEY: Status.BACKEND_ERROR,
    Kind.MISSING_COUNTER: Status.BACKEND_ERROR,
}

_PAID = frozenset({Kind.OK, Kind.REPLAYED_OTP, Kind.DELAYED_OTP, Kind.CHARGED})
"""Outcomes that tell a client something about its OTP: those cost it a session."""

_STALE = frozenset({Kind.STALE_CLIENT, Kind.STALE_KEY})


class Verifier:
    """Verifies requests for one process.

    directory: what the store knows; batcher: merges entries for the store; salt: at least 16
    octets, secret, the same for every process on one store.
    """

    def __init__(
        self,
        *,
        directory: Directory,
        batcher: Batcher,
        vault: Vault,
        clock: Clock,
        log: Log,
        salt: bytes,
        settings: VerifierSettings,
    ) -> None:
        self._batcher = batcher
        self._clock = clock
        self._settings = settings
        self._clients = client_cache(directory, vault, limit=settings.clients)
        self._opener = OtpOpener(directory, vault, limit=settings.keys)
        self._sources = SourceLimiter(settings.source_rate, clock=clock, limit=settings.sources)
        self._buckets = UnsignedBuckets(salt)
        self._sessions = Sessions(clock=clock, limit=settings.sessions)
        self._blocked = Blocked(clock=clock, limit=settings.blocked)
        self._notices = Notices(log, clock=clock, refusal_lines=settings.refusal_lines)
        self.deadlines = Deadlines(clock)

    async def verify(self, query: bytes | str, protocol: Protocol, source: Source) -> Verdict:
        """Verify one request. Never raises for anything a client can send.

        query: the query string or form body as it came, still percent-encoded.
        """
        advice = None if source.exempt else self._sources.spend(source.address)
        if advice is not None:
            verdict = answer_source_limit(advice, self._clock.now_us())
        elif isinstance(request := parse_request(query, protocol), MalformedRequest):
            key = signing_key(await self._client_at_fault(request.client_id))
            verdict = answer_form_fault(request, key, self._clock.now_us())
        else:
            ruling = await self._rule_in_time(request, source)
            verdict = answer_request(
                request,
                ruling,
                protocol,
                time_us=self._clock.now_us(),
                sync_level=self._settings.guaranteed_sync_level,
            )
        if verdict.status is not Status.OK:
            self._notices.refused(verdict, source)
        return verdict

    async def _client_at_fault(self, client_id: int | None) -> OpenClient | None:
        """Return the client whose key signs the answer to a malformed request, if it is known."""
        if client_id is None:
            return None
        client = self._clients.held(client_id)
        if client is None:
            try:
                with self.deadlines.within(self._settings.deadline_s):
                    client = await self._clients.reload(client_id)
            except (StoreError, VaultError, DeadlinePassedError) as error:
                # The fault stands without the store; only the signature is the empty key's.
                self._notices.broken(error, client_id=client_id, public_id=None)
        return client

    async def _rule_in_time(self, request: VerifyRequest, source: Source) -> Ruling:
        """Rule on a request within its deadline; what breaks on our side is BACKEND_ERROR."""
        seconds = self._settings.deadline_s
        if request.timeout is not None:
            seconds = min(seconds, request.timeout)
        try:
            with self.deadlines.within(seconds):
                ruling = await self._rule(request, source)
                if ruling.stale:  # what memory held was out of date, and is forgotten now
                    ruling = await self._rule(request, source)
        except (StoreError, VaultError, DeadlinePassedError) as error:
            self._notices.broken(
                error, client_id=request.client_id, public_id=request.otp.public_id
            )
            key = pass_gate(self._clients.held(request.client_id), request).key
            return Ruling(Status.BACKEND_ERROR, key)
        return ruling

    async def _rule(self, request: VerifyRequest, source: Source) -> Ruling:
        """Take a request through all checks, in order."""
        client = self._clients.held(request.client_id)
        refusal, key = pass_gate(client, request)
        if refusal is not None:  # by what is in memory: decide it on what the store says now
            client = await self._clients.reload(request.client_id)
            refusal, key = pass_gate(client, request)
        if client is None or refusal is not None:
            return Ruling(refusal or Status.NO_SUCH_CLIENT, key)
        if (request.sync_level or 0) > self._settings.guaranteed_sync_level:
            return Ruling(Status.NOT_ENOUGH_ANSWERS, key)

        record = client.record
        client_id, otp = record.client_id, request.otp
        bucket = SIGNED_BUCKET if request.signature else self._buckets.bucket(source.address)
        session = Session(client_id, otp.text, request.nonce)
        retry_us = self._blocked.retry_us(client_id, bucket)
        if retry_us and not self._sessions.is_known(session):
            advice = advise("default", client.rate, remaining=0, retry_us=retry_us)
            return Ruling(Status.OPERATION_NOT_ALLOWED, key, advice)

        version, fields = await self._opener.open(otp)
        advance = None
        if fields is not None:
            advance = Advance(fields.session, fields.use, fields.clock, record.phishing_test)
        # By position, as all values on this path; `False`: not known to go free.
        entry = Entry(
            client_id,
            record.version,
            bucket,
            False,
            otp.public_id,
            version,
            advance,
            request.nonce,
        )
        outcome = await self._spend_and_advance(entry, session)
        limit = self._learn(entry, outcome, client)
        kind = outcome.kind
        return Ruling(_STATUS[kind], key, limit, fields, outcome.shadowed, kind in _STALE)

    async def _spend_and_advance(self, entry: Entry, session: Session) -> Outcome:
        """Put an entry into a batch; a session that has paid already goes free.

        Repeats of a session go one after the other, the free ones too: otherwise a stranger
        with one old OTP of somebody's could fill that key's queue for the price of one.
        """
        if not session.nonce:
            return await self._batcher.submit(entry)  # protocol 1 cannot tell repeats: all pay
        sessions = self._sessions
        await sessions.begin(session)
        free = sessions.has_paid(session)
        paid = False
        try:
            outcome = await self._batcher.submit(entry._replace(free=True) if free else entry)
            paid = not free and outcome.kind in _PAID
        finally:
            sessions.settle(session, paid=paid)
        return outcome

    def _learn(self, entry: Entry, outcome: Outcome, client: OpenClient) -> LimitAdvice | None:
        """Remember what an outcome teaches; the advice to a client over its limit."""
        kind = outcome.kind
        client_id, public_id = entry.client_id, entry.public_id
        if kind is Kind.OK:
            self._notices.works(client_id=client_id, public_id=public_id)
        elif kind in _STALE:
            # The store names one of them, and both may have changed.
            self._clients.forget(client_id)
            self._opener.forget(public_id)
        elif kind is Kind.MISSING_COUNTER:
            self._notices.counter_missing(public_id)
        if kind is Kind.LIMITED or kind in _PAID:
            self._notices.budget(client_id, remaining=outcome.remaining, quota=client.quota)
        if kind is not Kind.LIMITED:
            return None
        self._blocked.learn(client_id, entry.bucket, outcome.retry_us)
        return advise(
            "default", client.rate, remaining=outcome.remaining, retry_us=outcome.retry_us
        )
