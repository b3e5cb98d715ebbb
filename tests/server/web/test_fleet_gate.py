"""Who sees the pages of the fleet: whoever may read it at the admin API, and signed in."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog

from server.accounts.access import GRANTS, Permission, Role
from server.accounts.customer_ports import CustomerTerms, Entity
from server.accounts.tokens import Token
from server.web.sessions import IDLE_S
from tests.server.acts import ACT, CAUSE
from tests.server.fleet_page.fleets import small_fleet
from tests.server.web.conftest import OpenDoor
from tests.server.web.fleet_site import ATTEMPTS, FleetSite, cookie_of, open_site, text_of

PAGES = (
    "/fleet",
    "/fleet/",
    "/fleet/keys",
    "/fleet/keys/serial:1",
    "/fleet/keys/serial:999",
    "/fleet/hosts",
    "/fleet/holders",
    "/fleet/advisories",
    "/fleet/advisories/YSA-2024-03",
    "/fleet/nothing",
    "/fleet/keys/..%2f",
)
WRONG = Token(1, bytes(32)).format()


@pytest.fixture
async def site(open_door: OpenDoor, tmp_path: Path) -> AsyncIterator[FleetSite]:
    async with open_site(open_door, tmp_path) as opened:
        await small_fleet(opened.store)
        yield opened


async def test_a_stranger_finds_a_form_and_nothing_else(site: FleetSite) -> None:
    for path in PAGES:
        for head in (f"GET {path}", f"HEAD {path}", f"POST {path}", f"DELETE {path}"):
            reply = await site.ask(head)
            assert reply.status == 401, head
            assert b"laptop-17" not in reply.body
            assert b"5.4.3" not in reply.body
        assert "Sign in" in text_of(await site.get(path, "made-up"))
    assert site.outcomes["stranger"] == 5 * len(PAGES)
    assert (await site.ask("POST /fleet/sign-out")).status == 401


async def test_s14_who_may_read_the_fleet_at_the_admin_api_sees_it_here(site: FleetSite) -> None:
    terms = CustomerTerms("Example", Entity.AB, None, validation=False)
    kept = (await site.store.add_customer(terms, act=ACT)).customer_id
    let_in = set()
    for role in Role:
        for customer in (None, kept):
            name = f"{role}-{customer or 'all'}"
            issued = await site.operator(role, name, customer)
            reply = await site.send_form(token=issued.token)
            if reply.status == 303:
                let_in.add((role, customer))
                await all_pages_are_shown(site, cookie_of(reply))
                continue
            assert reply.status == 403
            assert reply.all("Set-Cookie") == []
            assert "ask an admin" in text_of(reply)
    assert let_in == {(role, None) for role in Role if Permission.FLEET_READ in GRANTS[role]}
    assert len(site.sessions) == len(let_in)


async def all_pages_are_shown(site: FleetSite, cookie: str) -> None:
    for path in PAGES:
        is_there = not any(part in path for part in ("nothing", "999", ".."))
        assert (await site.get(path, cookie)).status == (200 if is_there else 404), path


async def test_the_cookie_is_for_this_page_and_out_of_reach(site: FleetSite) -> None:
    issued = await site.operator()
    over_tls = (await site.send_form(token=issued.token)).header("Set-Cookie")
    parts = {part.strip().lower() for part in over_tls.split(";")[1:]}
    assert parts == {"httponly", "path=/fleet", "samesite=strict", "secure"}


async def test_signing_in_goes_on_to_what_was_asked_for(site: FleetSite) -> None:
    issued = await site.operator()
    asked = await site.get("/fleet/keys?level=danger&colour=red")
    assert 'name="to" value="/fleet/keys?level=danger"' in asked.body.decode()
    reply = await site.send_form(token=f" {issued.token}\n", to="/fleet/keys?level=danger")
    assert (reply.status, reply.header("Location")) == (303, "/fleet/keys?level=danger")
    away = await site.send_form(token=issued.token, to="//evil.example/fleet")
    assert away.header("Location") == "/fleet"


async def test_each_sign_in_is_another_session_and_ends_the_one_before(site: FleetSite) -> None:
    issued = await site.operator()
    first = await site.sign_in(issued.token)
    again = await site.send_form(f"Cookie: keystead_fleet={first}", token=issued.token)
    second = cookie_of(again)
    assert second != first
    assert (await site.get("/fleet", first)).status == 401
    assert (await site.get("/fleet", second)).status == 200


async def test_signing_out_ends_the_session_for_good(site: FleetSite) -> None:
    cookie = await site.sign_in((await site.operator()).token)
    field = f"Cookie: keystead_fleet={cookie}"
    elsewhere = await site.ask("POST /fleet/sign-out", field, "Sec-Fetch-Site: cross-site")
    assert elsewhere.status == 400
    assert (await site.get("/fleet", cookie)).status == 200
    reply = await site.ask("POST /fleet/sign-out", field, "Sec-Fetch-Site: same-origin")
    assert (reply.status, reply.header("Location")) == (303, "/fleet/sign-in")
    assert "Max-Age=0" in reply.header("Set-Cookie")
    assert (await site.get("/fleet", cookie)).status == 401


async def test_a_session_ends_with_its_token_its_operator_its_role_and_time(
    site: FleetSite,
) -> None:
    issued = await site.operator(name="ann")
    first = await site.sign_in(issued.token)
    assert (await site.get("/fleet", first)).status == 200
    await site.operators.revoke_token("ann", issued.details.number, cause=CAUSE)
    assert (await site.get("/fleet", first)).status == 401
    second = await site.sign_in((await site.operators.issue_token("ann", cause=CAUSE)).token)
    assert (await site.get("/fleet", second)).status == 200
    await site.operators.disable("ann", cause=CAUSE)
    assert (await site.get("/fleet", second)).status == 401
    issued = await site.operator(name="bob")
    cookie = await site.sign_in(issued.token)
    await site.operators.give_role("bob", Role.VIEWER, cause=CAUSE)
    assert (await site.get("/fleet", cookie)).status == 403
    await site.operators.give_role("bob", Role.SUPPORT, cause=CAUSE)
    assert (await site.get("/fleet", cookie)).status == 200
    site.clock.pass_by(IDLE_S)
    assert (await site.get("/fleet", cookie)).status == 401


async def test_an_expired_token_lets_nobody_in_nor_its_session_stay(site: FleetSite) -> None:
    issued = await site.operators.add(
        "ann", Role.SUPPORT, cause=CAUSE, expires_us=site.clock.now_us() + 60_000_000
    )
    cookie = await site.sign_in(issued.token)
    site.clock.pass_by(61)
    assert (await site.get("/fleet", cookie)).status == 401
    reply = await site.send_form(token=issued.token)
    assert (reply.status, "has expired" in text_of(reply)) == (401, True)


async def test_who_guesses_is_locked_out_and_no_session_with_it(site: FleetSite) -> None:
    issued = await site.operator()
    cookie = await site.sign_in(issued.token)
    stranger = "X-Forwarded-For: 192.0.2.66"
    for _ in range(ATTEMPTS + 1):
        assert (await site.send_form(stranger, token=WRONG)).status == 401
    fresh = (await site.operators.issue_token("ann", cause=CAUSE)).token
    locked = await site.send_form(stranger, token=fresh)
    assert (locked.status, locked.header("Retry-After")) == (429, "60")
    assert site.outcomes["locked-out"] == 1
    assert (await site.send_form("X-Forwarded-For: 192.0.2.67", token=fresh)).status == 303
    field = f"Cookie: keystead_fleet={cookie}"
    assert (await site.ask("GET /fleet", field, stranger)).status == 200


async def test_nothing_but_our_form_signs_in(site: FleetSite) -> None:
    token = (await site.operator()).token
    body = f"token={token}".encode()
    kind = "Content-Type: application/x-www-form-urlencoded"
    sent = [
        await site.ask("POST /fleet/sign-in", "Content-Type: application/json", body=body),
        await site.ask("POST /fleet/sign-in", kind, "Sec-Fetch-Site: cross-site", body=body),
        await site.ask("POST /fleet/sign-in", kind, "Origin: http://evil.example", body=body),
        await site.ask("POST /fleet/sign-in", kind, body=body + b"&a=1" * 3000),
        await site.ask("POST /fleet/sign-in", kind, body=b"a=1&" * 8 + body),
        await site.ask("POST /fleet/sign-in", kind, body=b"token=\xff\xfe"),
        await site.send_form(token=""),
        await site.send_form(to="/fleet"),
    ]
    assert [reply.status for reply in sent] == [400] * len(sent)
    query = await site.ask(f"POST /fleet/sign-in?token={token}", kind, body=b"to=%2Ffleet")
    assert query.status == 400  # a token in an address would be in histories
    assert len(site.sessions) == 0


async def test_no_token_is_asked_for_over_plain_http(site: FleetSite) -> None:
    token = (await site.operator()).token
    cookie = await site.sign_in(token)
    field = f"Cookie: keystead_fleet={cookie}"
    for over in ("", "X-Forwarded-Proto: http"):
        for head in ("GET /fleet", "GET /fleet/sign-in", "GET /fleet/keys"):
            reply = await site.ask(head, field, over=over)
            assert reply.status == 403
            assert b"<input" not in reply.body
        assert (await site.send_form(over=over, token=token)).status == 403
    assert "ssh -L" in text_of(reply)


async def test_s10_neither_tokens_nor_cookies_are_written_down(site: FleetSite) -> None:
    token = (await site.operator()).token
    with structlog.testing.capture_logs() as lines:
        cookie = await site.sign_in(token)
        await site.send_form(token=WRONG)
        await site.get("/fleet/keys/serial:999", cookie)
        reply = await site.get("/fleet", cookie)
        await site.ask("POST /fleet/sign-out", f"Cookie: keystead_fleet={cookie}")
    told = str(lines)
    assert {"fleet_page_sign_in", "fleet_page_sign_out", "token_refused"} <= {
        line["event"] for line in lines
    }
    secret = token.rpartition("_")[2]
    for hidden in (secret, cookie, WRONG):
        assert hidden not in told
        assert hidden.encode() not in reply.body


@pytest.mark.parametrize("path", ["/fleet", "/fleet/sign-in", "/fleet/keys?serial=x"])
async def test_every_answer_keeps_itself_to_itself(site: FleetSite, path: str) -> None:
    cookie = await site.sign_in((await site.operator()).token)
    for shown in (cookie, ""):
        reply = await site.get(path, shown)
        policy = reply.header("Content-Security-Policy")
        assert policy.startswith("default-src 'none'; img-src data:; base-uri 'none'")
        assert "form-action 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "script" not in policy
        assert "unsafe" not in policy
        assert reply.header("Cache-Control") == "no-store"
        assert reply.header("X-Content-Type-Options") == "nosniff"
        assert reply.header("Server") == "keystead"
