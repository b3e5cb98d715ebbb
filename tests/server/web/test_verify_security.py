"""Security cases through the real door, over real sockets, with the real room behind it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import generate_latest

from server.metrics import layout
from server.metrics.exposition import metrics_registry
from server.otp.ports import StoreUnavailableError, UnknownOutcomeError
from server.otp.settings import VerifierSettings
from tests.server.acts import CAUSE
from tests.server.otp.room import GENEROUS
from tests.server.storage.keepers import Keeper, MemoryKeeper, SqliteKeeper
from tests.server.web.conftest import OpenDoor
from tests.server.web.peer import Peer, get
from tests.server.web.verify_house import (
    NONCE,
    House,
    is_signed_by,
    open_house,
    signed,
    status_of,
)
from validation.gcra import UNLIMITED, Policy, Rate
from validation.signature import EMPTY_KEY
from validation.status import Status

PARAMETERS = ["id", "otp", "nonce", "h", "timestamp", "sl", "timeout", "other"]
HOSTILE = [
    "%00",
    "%27",
    "%22%3B--",
    "'\"",
    "%0d%0a",
    "%E2%82%AC",
    "%ff%fe",
    "%u20ac",
    "%",
    "+",
    "&",
]

fuzz = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
async def house(open_door: OpenDoor) -> House:
    return await open_house(open_door)


@pytest.fixture(params=["memory", "sqlite"])
async def keeper(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Keeper]:
    keeper: Keeper = MemoryKeeper(GENEROUS)
    if request.param == "sqlite":
        keeper = SqliteKeeper(tmp_path / "store.sqlite", GENEROUS)
    yield keeper
    await keeper.close()


async def test_a_good_otp_is_ok_once_by_get_and_by_post(
    open_door: OpenDoor, keeper: Keeper
) -> None:
    house = await open_house(open_door, keeper=keeper)
    client, yubikey = await house.room.client(), await house.room.yubikey()
    for ask in (house.get, lambda query: house.post(query.encode())):
        query = signed(client, house.room.press(yubikey))
        reply = await ask(query)
        assert (reply.status, status_of(reply.body)) == (200, "OK")
        assert is_signed_by(reply.body, client.key)
        assert status_of((await ask(query)).body) == "REPLAYED_REQUEST"
    batches = layout.BY_NAME["keystead_store_batches"].start
    assert house.tally.cells()[batches] == 4


async def test_s1_sixteen_parallel_requests_with_one_otp_get_one_ok(
    open_door: OpenDoor, keeper: Keeper
) -> None:
    house = await open_house(open_door, keeper=keeper)
    client, yubikey = await house.room.client(), await house.room.yubikey()
    otp = house.room.press(yubikey)
    replies = await asyncio.gather(
        *(house.get(signed(client, otp, nonce=f"{n % 4:016d}")) for n in range(16))
    )
    statuses = [status_of(reply.body) for reply in replies]
    assert statuses.count("OK") == 1
    assert set(statuses) <= {"OK", "REPLAYED_OTP", "REPLAYED_REQUEST"}


@pytest.mark.parametrize("name", PARAMETERS)
@pytest.mark.parametrize("size", [0, 1, 47, 1_000, 16_000, 100_000])
async def test_s2_a_parameter_of_any_size_gets_a_protocol_answer(
    house: House, name: str, size: int
) -> None:
    client, yubikey = await house.room.client(), await house.room.yubikey()
    query = signed(client, house.room.press(yubikey))
    parts = [part for part in query.split("&") if not part.startswith(f"{name}=")]
    long = "&".join([*parts, f"{name}={'c' * size}"])
    reply = await house.get(long)
    assert reply.status == 200
    # An empty `h` is no signature, which is allowed.
    allowed = {"OK"} if (name, size) == ("h", 0) else set(Status) - {"OK", "BACKEND_ERROR"}
    assert status_of(reply.body) in allowed
    by_post = await house.post(long.encode())
    repeated = {"OK": "REPLAYED_REQUEST"}.get(status_of(reply.body), status_of(reply.body))
    assert (by_post.status, status_of(by_post.body)) == (200, repeated)


@pytest.mark.parametrize("name", PARAMETERS)
@pytest.mark.parametrize("text", HOSTILE)
async def test_s2_nul_quotes_and_unicode_get_a_protocol_answer(
    house: House, name: str, text: str
) -> None:
    client, yubikey = await house.room.client(), await house.room.yubikey()
    query = signed(client, house.room.press(yubikey))
    for hostile in (
        query + f"&{name}={text}",
        query.replace(f"{name}=", f"{name}={text}"),
        f"{text}{name}={text}&{query}",
    ):
        reply = await house.get(hostile)
        assert reply.status == 200
        assert status_of(reply.body) in set(Status) - {"BACKEND_ERROR"}


query_text = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=200)
query_parts = st.lists(
    st.tuples(st.sampled_from(PARAMETERS), st.text(max_size=50) | st.sampled_from(HOSTILE)),
    max_size=12,
).map(lambda pairs: "&".join(f"{name}={quote(value, safe='%&')}" for name, value in pairs))


@given(query=query_text | query_parts)
@fuzz
async def test_s2_any_query_gets_a_signed_protocol_answer(house: House, query: str) -> None:
    reply = await house.get(query)
    assert reply.status == 200
    assert status_of(reply.body) in set(Status) - {"OK", "BACKEND_ERROR"}
    assert is_signed_by(reply.body, EMPTY_KEY)


@given(body=st.binary(max_size=400))
@fuzz
async def test_s2_any_form_body_gets_a_signed_protocol_answer(house: House, body: bytes) -> None:
    reply = await house.post(body)
    assert reply.status == 200
    assert status_of(reply.body) in set(Status) - {"OK", "BACKEND_ERROR"}
    assert is_signed_by(reply.body, EMPTY_KEY)


@pytest.mark.parametrize("name", ["nonce", "otp", "id", "h", "sl", "status"])
@pytest.mark.parametrize("breaks", ["%0d%0astatus=OK", "%0astatus=OK", "%0dstatus=OK%0d%0a"])
@pytest.mark.parametrize("path", ["/wsapi/2.0/verify", "/wsapi/verify"])
async def test_s3_line_breaks_never_reach_the_answer(
    house: House, name: str, breaks: str, path: str
) -> None:
    client, yubikey = await house.room.client(), await house.room.yubikey()
    query = signed(client, house.room.press(yubikey))
    for hostile in (
        query.replace(f"{name}=", f"{name}={breaks}"),
        query + breaks,
        query + f"&{name}x={breaks}",
    ):
        reply = await house.get(hostile, path)
        # `status_of` insists on one status line; an unknown parameter may still validate.
        assert status_of(reply.body) in set(Status)
        assert b"\nstatus=OK" not in reply.body.replace(b"\r\nstatus=OK\r\n\r\n", b"")


@pytest.mark.parametrize(
    "signature",
    ["", "x", "%C3%A9" * 14, "a" * 27 + "%3D", "A" * 1000, "%00" * 28, "=" * 28, "%2B%2F%3D"],
)
async def test_s8_a_wrong_signature_of_any_form_is_refused_and_consumes_nothing(
    house: House, signature: str
) -> None:
    client, yubikey = await house.room.client(signed_only=True), await house.room.yubikey()
    good = signed(client, house.room.press(yubikey))
    head, _, _ = good.partition("&h=")
    refused = await house.get(f"{head}&h={signature}")
    assert status_of(refused.body) == "BAD_SIGNATURE"
    assert is_signed_by(refused.body, client.key)
    assert status_of((await house.get(good)).body) == "OK"


@pytest.mark.parametrize("name", ["id", "otp", "nonce", "h", "timestamp", "unknown"])
async def test_s9_a_parameter_given_twice_is_refused_and_consumes_nothing(
    house: House, name: str
) -> None:
    client, yubikey = await house.room.client(), await house.room.yubikey()
    good = signed(client, house.room.press(yubikey), timestamp="1", unknown="x")
    value = dict(part.split("=", 1) for part in good.split("&"))[name]
    for twice in (f"{good}&{name}={value}", f"{name}=other&{good}", f"{good}&%{ord(name[0]):x}"):
        query = twice if not twice.endswith(f"%{ord(name[0]):x}") else twice + f"{name[1:]}=1"
        for reply in (await house.get(query), await house.post(query.encode())):
            assert status_of(reply.body) == "MISSING_PARAMETER"
    assert status_of((await house.get(good)).body) == "OK"


async def test_s10_canaries_appear_in_no_log_metric_or_foreign_answer(
    house: House, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(0)
    client = await house.room.client()
    stranger = house.room.stranger("cccccccccccb")
    await house.room.keys.import_ksm(stranger.line, cause=CAUSE)
    otps = [house.room.press(stranger.yubikey) for _ in range(12)]
    canaries = [otp[12:] for otp in otps] + [stranger.line.split(",")[3], NONCE]
    answers: list[bytes] = []
    with structlog.testing.capture_logs() as lines:
        queries = [signed(client, otp) for otp in otps]
        canaries += [query.rpartition("&h=")[2].replace("%3D", "=") for query in queries]
        await house.get(queries[0])
        answers += [
            (await house.get(queries[1], target)).body
            for target in ("/", "/wsapi/2.0/verify/x", "/metrics")
        ]
        answers.append((await house.get(queries[2].replace("id=1", "id=2"))).body)
        answers.append((await house.get(queries[3] + "&id=1")).body)
        house.room.store.fail_before = StoreUnavailableError("away")
        await house.get(queries[4])
        house.room.store.fail_before = UnknownOutcomeError("perhaps")
        await house.get(queries[5])
        house.room.store.fail_before = RuntimeError(f"defect at {queries[6]}")
        answers.append((await house.get(queries[6])).body)
        house.room.store.fail_before = None
        for raw in (
            b"GET /wsapi/2.0/verify?" + queries[7].encode() + b" HTTP/7.7\r\n\r\n",
            b"GET /wsapi/2.0/verify?" + queries[8].encode() + b"\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
            b"BREW /wsapi/2.0/verify?" + queries[9].encode() + b" HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET http://[::1]:@?" + queries[10].encode() + b" HTTP/1.1\r\nHost: x\r\n\r\n",
            get("/?" + queries[11] + "c" * 140_000),
        ):
            async with Peer(house.door.host, house.door.port) as peer:
                peer.send(raw)
                answers.append(await peer.rest())
    metrics = generate_latest(metrics_registry({"a": house.tally, "b": house.door.tally}))
    places = {
        "log": str(lines),
        "room's log": str(house.room.log.lines),
        "library log": caplog.text,
        "output": "".join(capsys.readouterr()),
        "metrics": metrics.decode(),
    }
    for place, text in places.items():
        for canary in canaries:
            assert canary not in text, place
    for answer in answers:
        for otp in otps:
            assert otp.encode() not in answer.replace(b"otp=" + otp.encode() + b"\r\n", b"")


async def test_a_store_that_fails_is_backend_error_with_http_200(house: House) -> None:
    client, yubikey = await house.room.client(), await house.room.yubikey()
    house.room.store.fail_before = StoreUnavailableError("away")
    reply = await house.get(signed(client, house.room.press(yubikey)))
    assert (reply.status, status_of(reply.body)) == (200, "BACKEND_ERROR")
    assert is_signed_by(reply.body, client.key)
    errors = layout.BY_NAME["keystead_store_errors"].start
    assert house.tally.cells()[errors : errors + 2] == [1, 0]


async def test_a_client_over_its_limit_gets_429_and_keeps_its_otp(open_door: OpenDoor) -> None:
    policy = Policy(Rate.per_second(1, 2), UNLIMITED)
    house = await open_house(open_door, policy=policy)
    client, yubikey = await house.room.client(), await house.room.yubikey()
    for _ in range(2):
        assert (await house.get(signed(client, house.room.press(yubikey)))).status == 200
    kept = signed(client, house.room.press(yubikey))
    refused = await house.get(kept)
    assert (refused.status, status_of(refused.body)) == (429, "OPERATION_NOT_ALLOWED")
    assert is_signed_by(refused.body, client.key)
    assert refused.header("RateLimit-Policy") == '"default";q=2;w=2'
    assert refused.header("RateLimit") == '"default";r=0;t=1'
    house.room.clock.pass_by(int(refused.header("Retry-After")))
    assert status_of((await house.get(kept)).body) == "OK"


async def test_a_source_over_its_limit_gets_429_whoever_it_claims_to_be(
    open_door: OpenDoor,
) -> None:
    slow = VerifierSettings(source_rate=Rate.per_second(1, 2))
    house = await open_house(open_door, settings=slow, from_afar=True)
    codes = []
    async with Peer(house.door.host, house.door.port) as peer:
        for number in range(4):
            spoofed = f"X-Forwarded-For: 203.0.113.{number}"
            reply = await peer.ask(get("/wsapi/2.0/verify?id=1", spoofed))
            codes.append(reply.status)
    assert codes == [200, 200, 429, 429]
    assert reply.header("RateLimit-Policy") == '"source";q=2;w=2'
    assert is_signed_by(reply.body, EMPTY_KEY)


async def test_s18_900_parameters_get_missing_parameter(house: House) -> None:
    query = "&".join(f"p{number}=x" for number in range(900))
    assert status_of((await house.get(query)).body) == "MISSING_PARAMETER"
    assert status_of((await house.post(query.encode())).body) == "MISSING_PARAMETER"
