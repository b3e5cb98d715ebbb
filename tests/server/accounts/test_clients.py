"""The desk for clients: names that can be shown, keys shown once, limits in bounds."""

from base64 import b64decode

import pytest

from hsm.keyfile import SealingKey
from hsm.rings import Rings
from hsm.sealed_vault import SealedVault
from hsm.vault import RecordRefusedError
from server.accounts.clients import ClientDesk, RotationError, UnknownClientError
from server.accounts.limits import LimitFigures, Usage
from server.accounts.text import InputError
from tests.server.acts import CAUSE
from tests.server.memory_store import MemoryStore
from tests.server.still_clock import NOW_US, StillClock
from validation.gcra import UNLIMITED, Budget, Policy, Rate, spend

DEFAULT = Policy(Rate.per_second(10, 50), UNLIMITED)


class Desk(ClientDesk):
    """A desk with everything behind it in sight."""

    def __init__(self) -> None:
        self.clock = StillClock()
        self.store = MemoryStore(clock=self.clock, default_policy=DEFAULT)
        self.vault = SealedVault(Rings.single(SealingKey.of(bytes(32))))
        super().__init__(self.store, self.vault, clock=self.clock, default_policy=DEFAULT)


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def test_a_new_client_gets_an_id_and_a_key_that_is_shown_once(desk: Desk) -> None:
    issued = await desk.add("  Example GmbH ", signed_only=True, cause=CAUSE)
    details = issued.client.details
    assert (details.client_id, details.name, details.active) == (1, "Example GmbH", True)
    assert (details.signed_only, details.phishing_test) == (True, False)
    assert issued.client.limit == LimitFigures(10, 50, None)
    assert [key.key_id for key in details.api_keys] == [1]
    secret = b64decode(issued.api_key, validate=True)
    assert len(secret) == 20
    record = await desk.store.client(1)
    assert record is not None
    assert await desk.vault.open_secret("client-key/1/1", record.api_keys[0].record) == secret
    assert secret not in record.api_keys[0].record
    assert issued.api_key not in repr(issued)
    assert issued.api_key not in repr(await desk.show(1))


async def test_every_key_is_another_and_bound_to_its_client(desk: Desk) -> None:
    first, second = await desk.add("one", cause=CAUSE), await desk.add("two", cause=CAUSE)
    assert first.api_key != second.api_key
    assert second.client.details.client_id == 2
    record = await desk.store.client(2)
    assert record is not None
    with pytest.raises(RecordRefusedError):
        await desk.vault.open_secret("client-key/1/1", record.api_keys[0].record)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "   ",
        "x" * 101,
        "two\nlines",
        "tab\there",
        "\x1b[31mred",
        "gmp.\u202eexe",
        "zero\u200bwidth",
        "\ud800",
        "no\u00a0break",
        "\u2028",
    ],
)
async def test_s11_a_name_that_cannot_be_shown_safely_is_refused(desk: Desk, name: str) -> None:
    with pytest.raises(InputError, match="the name"):
        await desk.add(name, cause=CAUSE)
    assert not await desk.list(0, 10)


@pytest.mark.parametrize("name", ["x", "x" * 100, "Škoda a. s.", "株式会社", "a <b> & 'c'"])
async def test_names_of_all_languages_are_welcome(desk: Desk, name: str) -> None:
    assert (await desk.add(name, cause=CAUSE)).client.details.name == name


async def test_a_limit_of_its_own_holds_until_it_expires_or_is_reset(desk: Desk) -> None:
    await desk.add("client", cause=CAUSE)
    view = await desk.limit(
        1,
        cause=CAUSE._replace(reason="audit"),
        rate=3,
        burst=7,
        per_day=1000,
        shadow=True,
        expires_us=NOW_US + 10**9,
    )
    assert view.limit == LimitFigures(3, 7, 1000)
    override = view.details.limit
    assert override is not None
    assert (override.shadow, override.reason, override.expires_us) == (
        True,
        "audit",
        NOW_US + 10**9,
    )
    desk.clock.pass_by(999)
    assert (await desk.show(1)).limit == LimitFigures(3, 7, 1000)
    desk.clock.pass_by(1)
    assert (await desk.show(1)).limit == LimitFigures(10, 50, None)
    await desk.limit(1, rate=3, burst=7, cause=CAUSE)
    view = await desk.reset_limit(1, cause=CAUSE)
    assert view.details.limit is None
    assert view.limit == LimitFigures(10, 50, None)


@pytest.mark.parametrize(
    ("figures", "word"),
    [
        ({"rate": 0, "burst": 1}, "rate"),
        ({"rate": -5, "burst": 1}, "rate"),
        ({"rate": 1_000_001, "burst": 1}, "rate"),
        ({"rate": 1, "burst": 0}, "burst"),
        ({"rate": 1, "burst": 1_000_001}, "burst"),
        ({"rate": 1, "burst": 1, "per_day": 0}, "daily"),
        ({"rate": 1, "burst": 1, "per_day": 10**9 + 1}, "daily"),
        ({"rate": 1, "burst": 1, "expires_us": NOW_US}, "past"),
    ],
)
async def test_a_figure_out_of_bounds_is_named_and_changes_nothing(
    desk: Desk, figures: dict[str, int], word: str
) -> None:
    await desk.add("client", cause=CAUSE)
    before = await desk.show(1)
    with pytest.raises(InputError, match=word):
        await desk.limit(1, cause=CAUSE, **figures)  # type: ignore[arg-type]
    assert await desk.show(1) == before


@pytest.mark.parametrize("reason", ["a\nb", "x" * 201])
async def test_a_reason_that_cannot_be_shown_is_refused(desk: Desk, reason: str) -> None:
    await desk.add("client", cause=CAUSE)
    before = await desk.show(1)
    with pytest.raises(InputError, match="reason"):
        await desk.limit(1, rate=1, burst=1, cause=CAUSE._replace(reason=reason))
    assert await desk.show(1) == before


@pytest.mark.parametrize("rate", [1, 2, 3, 7, 10, 99, 333, 1000])
async def test_everyday_rates_read_back_as_they_were_set(desk: Desk, rate: int) -> None:
    await desk.add("client", cause=CAUSE)
    view = await desk.limit(1, rate=rate, burst=rate * 2, per_day=rate * 1000, cause=CAUSE)
    assert view.limit == LimitFigures(rate, rate * 2, rate * 1000)


async def test_a_rotation_has_two_live_keys_and_never_a_third(desk: Desk) -> None:
    first = await desk.add("client", cause=CAUSE)
    second = await desk.rotate(1, cause=CAUSE)
    assert second.api_key != first.api_key
    assert [key.key_id for key in second.client.details.api_keys] == [1, 2]
    record = await desk.store.client(1)
    assert record is not None
    opened = await desk.vault.open_secret("client-key/1/2", record.api_keys[1].record)
    assert opened == b64decode(second.api_key)
    with pytest.raises(RotationError, match="finish its rotation"):
        await desk.rotate(1, cause=CAUSE)
    assert [
        key.key_id for key in (await desk.finish_rotation(1, cause=CAUSE)).details.api_keys
    ] == [2]
    with pytest.raises(RotationError, match="no rotation"):
        await desk.finish_rotation(1, cause=CAUSE)
    assert [key.key_id for key in (await desk.rotate(1, cause=CAUSE)).client.details.api_keys] == [
        2,
        3,
    ]


async def test_two_rotations_at_the_same_time_issue_one_key(desk: Desk) -> None:
    await desk.add("client", cause=CAUSE)
    other = ClientDesk(desk.store, desk.vault, clock=desk.clock, default_policy=DEFAULT)
    seen = desk._new_api_key

    async def overtaken(client_id: int, key_id: int) -> tuple[str, bytes]:
        await other.rotate(client_id, cause=CAUSE)
        return await seen(client_id, key_id)

    desk._new_api_key = overtaken  # type: ignore[method-assign]
    with pytest.raises(RotationError, match="at the same time"):
        await desk.rotate(1, cause=CAUSE)
    assert len((await desk.show(1)).details.api_keys) == 2


async def test_options_change_one_by_one(desk: Desk) -> None:
    await desk.add("client", phishing_test=True, cause=CAUSE)
    view = await desk.options(1, signed_only=True, cause=CAUSE)
    assert (view.details.signed_only, view.details.phishing_test) == (True, True)
    view = await desk.options(1, phishing_test=False, cause=CAUSE)
    assert (view.details.signed_only, view.details.phishing_test) == (True, False)


async def test_clients_are_switched_off_and_on_and_listed_in_pages(desk: Desk) -> None:
    for number in range(5):
        await desk.add(f"client {number}", cause=CAUSE)
    assert not (await desk.disable(3, cause=CAUSE)).details.active
    assert (await desk.enable(3, cause=CAUSE)).details.active
    assert [view.details.client_id for view in await desk.list(1, 2)] == [2, 3]
    assert len(await desk.list(0, 0)) == 1


async def test_an_unknown_client_is_said_to_be_unknown(desk: Desk) -> None:
    for ask in (
        desk.show(9),
        desk.enable(9, cause=CAUSE),
        desk.disable(9, cause=CAUSE),
        desk.limit(9, rate=1, burst=1, cause=CAUSE),
        desk.reset_limit(9, cause=CAUSE),
        desk.options(9, signed_only=True, cause=CAUSE),
        desk.rotate(9, cause=CAUSE),
        desk.finish_rotation(9, cause=CAUSE),
    ):
        with pytest.raises(UnknownClientError, match="no client 9"):
            await ask


async def test_usage_is_the_spent_share_of_each_bucket_now(desk: Desk) -> None:
    await desk.add("client", cause=CAUSE)
    await desk.limit(1, rate=10, burst=50, per_day=100, cause=CAUSE)
    policy = Policy(Rate.per_second(10, 50), Rate.per_day(100))
    for bucket, spent in ((0, 20), (7, 50)):
        budget = spend(policy, Budget(0, 0), spent, NOW_US).budget
        desk.store._budgets[1, bucket] = budget
    assert [
        (usage.bucket, round(usage.burst, 9), round(usage.day or 0, 9))
        for usage in (await desk.show(1)).usage
    ] == [(0, 0.4, 0.2), (7, 1.0, 0.5)]
    desk.clock.pass_by(1)
    signed = (await desk.show(1)).usage[0]
    assert signed.burst == pytest.approx(0.2)
    desk.clock.pass_by(86_400)
    assert (await desk.show(1)).usage[1] == Usage(7, 0.0, 0.0)
    await desk.reset_limit(1, cause=CAUSE)
    assert (await desk.show(1)).usage[1].day is None
