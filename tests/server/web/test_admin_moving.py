"""The admin API for moving: one request is one import, and only a whole one counts."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import structlog

from server.web.admin_moving import MAX_PIECE
from tests.server.moving_files import (
    ReferenceClient,
    ReferenceKey,
    client_file,
    counter_file,
    key_file,
)
from tests.server.web.office import Answer, Office
from tests.server.web.peer import PATIENCE_S, Peer, until


def body(**files: str) -> bytes:
    """Return files as one piece each."""
    pieces = [f"{name} {len(text.encode())}\n{text}" for name, text in files.items()]
    return ("".join(pieces) + "end\n").encode()


async def send(office: Office, octets: bytes, query: str = "") -> tuple[int, list[Any]]:
    """Import; return the status and the answer's lines of JSON."""
    fields = f"Host: localhost\r\nConnection: close\r\nContent-Length: {len(octets)}\r\n"
    async with Peer(str(office.path), None) as peer:
        # HTTP/1.0, so that the answer's end is the connection's.
        peer.send(f"POST /api/v1/imports{query} HTTP/1.0\r\n{fields}\r\n".encode() + octets)
        status, text = read(await peer.rest())
    return status, [json.loads(line) for line in text.splitlines() if line]


def read(answer: bytes) -> tuple[int, str]:
    """Return an answer's status and body."""
    head, _, text = answer.decode().partition("\r\n\r\n")
    return int(head.split(" ")[1]), text


async def public_ids(office: Office) -> list[str]:
    keys = (await office.call("GET", "/keys?limit=1000")).json["keys"]
    return sorted(key["public_id"] for key in keys)


async def test_an_import_tells_how_far_it_is_and_what_it_did(office: Office) -> None:
    keys = [ReferenceKey() for _ in range(30)]
    clients = [ReferenceClient.new(9)]
    status, lines = await send(
        office,
        body(keys=key_file(keys), counters=counter_file(keys), clients=client_file(clients)),
    )
    assert status == 200
    assert lines[0] == {"done": 0, "of": 30}
    assert lines[-1]["imported"] is True
    assert lines[-1]["files"]["keys"] == {"new": 30, "changed": 0, "unchanged": 0}
    assert await public_ids(office) == sorted(key.public_id for key in keys)


async def test_a_dry_run_reports_and_changes_nothing(office: Office) -> None:
    status, (report,) = await send(office, body(keys=ReferenceKey().key_line), "?dry_run=yes")
    assert (status, report["imported"], report["files"]["keys"]["new"]) == (200, False, 1)
    assert await public_ids(office) == []


async def test_s15_faults_are_told_by_file_and_line_without_secrets(office: Office) -> None:
    key = ReferenceKey()
    status, (problem,) = await send(
        office, body(keys=key.key_line + "x" + key.key_line, counters="garbage\n")
    )
    assert (status, problem["status"], problem["errors_total"]) == (422, 422, 2)
    assert [(error["file"], error["line"]) for error in problem["errors"]] == [
        ("counters", 1),
        ("keys", 2),
    ]
    assert key.aes_key.hex() not in str(problem)
    assert await public_ids(office) == []


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"end",
        b"keys 5\n12345",
        b"keys 5\n123",
        b"passwords 0\nend\n",
        b"keys -1\nend\n",
        b"keys x\nend\n",
        b"k" * 100_000,
        f"keys {MAX_PIECE + 1}\n".encode() + b"x" * (MAX_PIECE + 1) + b"end\n",
        b"\xff\xfe\nend\n",
    ],
)
async def test_a_body_that_is_not_whole_imports_nothing(office: Office, octets: bytes) -> None:
    good = body(keys=ReferenceKey().key_line).removesuffix(b"end\n")
    for sent in (octets, good + octets.removesuffix(b"end\n")):
        status, (problem,) = await send(office, sent)
        assert status == 400
        assert "nothing was imported" in problem["detail"]
    assert await public_ids(office) == []


async def test_whoever_goes_away_imports_nothing_and_leaves_nothing(
    office: Office, tmp_path: Path
) -> None:
    octets = body(keys=ReferenceKey().key_line).removesuffix(b"end\n")
    async with Peer(str(office.path), None) as peer:
        peer.send(
            b"POST /api/v1/imports HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n" + octets
        )
        await until(lambda: list((tmp_path / "imports").glob("import-*")))
        busy, (problem,) = await send(office, body(keys=""))
        assert busy == 409
        assert "under way" in problem["detail"]
    await until(lambda: not list((tmp_path / "imports").glob("import-*")))
    assert await public_ids(office) == []
    assert (await send(office, body(keys=ReferenceKey().key_line)))[0] == 200


async def test_s10_exports_with_secrets_are_asked_for_in_so_many_words(office: Office) -> None:
    key, client = ReferenceKey(), ReferenceClient.new(9)
    await send(office, body(keys=key.key_line, clients=client.line, counters=key.counter_line()))
    for file in ("keys", "clients"):
        assert (await office.call("GET", f"/exports/{file}")).status == 400
    with structlog.testing.capture_logs() as lines:
        texts = [await exported(office, file) for file in ("keys", "clients", "counters")]
    assert [line["action"] for line in lines] == ["export"] * 3
    assert key.aes_key.hex() in texts[0]
    assert client.api_key in texts[1]
    assert key.public_id in texts[2]
    assert key.aes_key.hex() not in str(lines) + texts[1] + texts[2]


async def test_there_are_three_files_and_nothing_else(office: Office) -> None:
    answer: Answer = await office.call("GET", "/exports/passwords?with_secrets=yes")
    assert answer.status == 404
    assert (await office.call("GET", "/exports/keys?with_secrets=perhaps")).status == 400


async def exported(office: Office, file: str) -> str:
    query = "" if file == "counters" else "?with_secrets=yes"
    async with Peer(str(office.path), None) as peer:
        peer.send(f"GET /api/v1/exports/{file}{query} HTTP/1.0\r\nHost: x\r\n\r\n".encode())
        status, text = read(await peer.rest())
    assert status == 200
    return text


async def test_s10_what_streams_is_kept_out_of_caches_and_names_no_version(office: Office) -> None:
    await send(office, body(keys=ReferenceKey().key_line))
    streamed = [
        await office.call("GET", "/exports/keys?with_secrets=yes"),
        await office.call("POST", "/imports", raw=b"end\n", content_type="text/plain"),
    ]
    for answer in streamed:
        assert answer.reply.all("Transfer-Encoding") == ["chunked"]
        assert answer.reply.header("Cache-Control") == "no-store"
        assert answer.reply.header("Server") == "keystead"


async def test_somebody_else_ends_an_import_that_waits_for_its_files(office: Office) -> None:
    assert (await office.call("DELETE", "/imports")).status == 409
    async with Peer(str(office.path), None) as slow:
        slow.send(
            b"POST /api/v1/imports HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n"
            + body(keys=ReferenceKey().key_line).removesuffix(b"end\n")
        )
        ended = await office.call("DELETE", "/imports")
        async with asyncio.timeout(PATIENCE_S):
            while ended.status == 409:  # it does not wait for its files yet
                await asyncio.sleep(0.01)
                ended = await office.call("DELETE", "/imports")
        assert (ended.status, ended.json) == (200, {"ended": True})
        told = await slow.reply()
    assert told.status == 408
    assert b"ended it; nothing was imported" in told.body
    assert await public_ids(office) == []
    assert (await send(office, body(keys=ReferenceKey().key_line)))[0] == 200
