"""The desk for operators: tokens shown once, refused when they should be, use noted sparingly."""

import pytest

from server.accounts.access import Caller, Role
from server.accounts.customer_ports import CustomerTerms, Entity
from server.accounts.operators import (
    MAX_LIFE_DAYS,
    OperatorDesk,
    TokenRefusedError,
    UnknownOperatorError,
    UnknownTokenError,
)
from server.accounts.text import InputError
from server.accounts.tokens import Token
from server.journal.acts import Actor
from tests.server.acts import ACT, CAUSE
from tests.server.memory_store import MemoryStore
from tests.server.still_clock import NOW_US, StillClock
from validation.gcra import UNLIMITED, Policy

DAY_S = 86_400


class Desk(OperatorDesk):
    """A desk with everything behind it in sight."""

    def __init__(self) -> None:
        self.clock = StillClock()
        self.store = MemoryStore(clock=self.clock, default_policy=Policy(UNLIMITED, UNLIMITED))
        super().__init__(self.store, clock=self.clock)

    async def last_use(self) -> int | None:
        record = await self.store.token_record(1)
        assert record is not None
        return record.token.last_used_us


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def refusal(desk: Desk, text: str) -> tuple[str, bool]:
    with pytest.raises(TokenRefusedError) as refused:
        await desk.let_in(text)
    return str(refused.value), refused.value.guessed


async def test_who_holds_a_token_is_let_in_as_its_operator(desk: Desk) -> None:
    terms = CustomerTerms("c", Entity.AB, None, False)
    customer = (await desk.store.add_customer(terms, act=ACT)).customer_id
    issued = await desk.add("ann", Role.SUPPORT, customer=customer, cause=CAUSE)
    caller = (await desk.let_in(issued.token)).caller
    assert caller == Caller(Actor("operator", "ann"), Role.SUPPORT, customer)


async def test_a_token_is_shown_once_and_kept_as_a_digest(desk: Desk) -> None:
    issued = await desk.add("ann", Role.ADMIN, cause=CAUSE)
    token = Token.parse(issued.token)
    assert token is not None
    secret = issued.token.split("_", 2)[2]
    entries = await desk.store.journal_entries(0, 10)
    for place in (repr(issued), repr(await desk.show("ann")), repr(entries)):
        assert secret not in place
        assert token.secret.hex() not in place
    assert token.secret not in [digest for _, digest in desk.store._digests.values()]
    again = await desk.issue_token("ann", cause=CAUSE)
    assert again.token != issued.token
    assert again.details.number == 2


async def test_a_wrong_secret_is_refused_like_a_token_that_never_was(desk: Desk) -> None:
    issued = await desk.add("ann", Role.ADMIN, cause=CAUSE)
    wrong = Token(1, bytes(32)).format()
    never = Token(99, bytes(32)).format()
    said = {await refusal(desk, text) for text in (wrong, never, "", "kst_1_", issued.token[:-2])}
    assert said == {("this token is not one of ours", True)}


async def test_an_expired_token_is_refused_from_its_end_on(desk: Desk) -> None:
    issued = await desk.add("ann", Role.ADMIN, expires_us=NOW_US + 10**6, cause=CAUSE)
    assert (await desk.let_in(issued.token)).caller.role is Role.ADMIN
    desk.clock.pass_by(1)
    said, guessed = await refusal(desk, issued.token)
    assert "expired" in said
    assert not guessed


async def test_a_revoked_token_is_refused_and_the_others_are_not(desk: Desk) -> None:
    first = await desk.add("ann", Role.ADMIN, cause=CAUSE)
    second = await desk.issue_token("ann", cause=CAUSE)
    await desk.revoke_token("ann", first.details.number, cause=CAUSE)
    said, guessed = await refusal(desk, first.token)
    assert "revoked" in said
    assert not guessed
    assert (await desk.let_in(second.token)).caller.actor.name == "ann"


async def test_a_disabled_operator_is_refused_until_enabled(desk: Desk) -> None:
    issued = await desk.add("ann", Role.ADMIN, cause=CAUSE)
    await desk.disable("ann", cause=CAUSE)
    said, guessed = await refusal(desk, issued.token)
    assert "disabled" in said
    assert not guessed
    await desk.enable("ann", cause=CAUSE)
    await desk.give_role("ann", Role.VIEWER, cause=CAUSE)
    assert (await desk.let_in(issued.token)).caller.role is Role.VIEWER


async def test_the_last_use_is_noted_at_most_once_a_minute(desk: Desk) -> None:
    issued = await desk.add("ann", Role.ADMIN, cause=CAUSE)
    assert await desk.last_use() is None
    for seconds, noted in ((0, 0), (59, 0), (1, 60), (30, 60), (30, 120)):
        desk.clock.pass_by(seconds)
        await desk.note_use((await desk.let_in(issued.token)).token)
        assert await desk.last_use() == NOW_US + noted * 10**6


async def test_a_token_lives_90_days_unless_told_otherwise_and_never_without_end(
    desk: Desk,
) -> None:
    issued = await desk.add("ann", Role.ADMIN, cause=CAUSE)
    assert issued.details.expires_us == NOW_US + 90 * DAY_S * 10**6
    latest = NOW_US + MAX_LIFE_DAYS * DAY_S * 10**6
    last = await desk.issue_token("ann", expires_us=latest, cause=CAUSE)
    assert last.details.expires_us == latest
    with pytest.raises(InputError, match="400 days"):
        await desk.issue_token("ann", expires_us=latest + 1, cause=CAUSE)
    with pytest.raises(InputError, match="past"):
        await desk.issue_token("ann", expires_us=NOW_US, cause=CAUSE)
    assert len((await desk.show("ann")).tokens) == 2


@pytest.mark.parametrize(
    "name", ["", "Ann", "a b", ".ann", "ann-", "a" * 65, "ann\n", "änn", "a/b"]
)
async def test_s11_a_name_with_two_spellings_is_refused(desk: Desk, name: str) -> None:
    with pytest.raises(InputError, match="operator's name"):
        await desk.add(name, Role.VIEWER, cause=CAUSE)


async def test_who_is_not_there_is_named(desk: Desk) -> None:
    await desk.add("bo", Role.VIEWER, cause=CAUSE)
    with pytest.raises(UnknownTokenError, match="bo has no token 7"):
        await desk.revoke_token("bo", 7, cause=CAUSE)
    for act in (
        desk.show("ann"),
        desk.disable("ann", cause=CAUSE),
        desk.enable("ann", cause=CAUSE),
        desk.give_role("ann", Role.VIEWER, cause=CAUSE),
        desk.issue_token("ann", cause=CAUSE),
        desk.revoke_token("ann", 1, cause=CAUSE),
    ):
        with pytest.raises(UnknownOperatorError, match="no operator ann"):
            await act
