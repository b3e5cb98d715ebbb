"""The server's door as a prober knocks at it: whatever answers there, the prober goes on."""

import asyncio
from pathlib import Path

import pytest

from server.probing.ports import OfficeError
from server.programs.admin_client import AdminClient
from server.programs.probe_office import AdminOffice


async def _drip(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        writer.write(b"HTTP/1.1 200 OK\r\nX: ")
        for _ in range(100):  # an end, so that no thread of this test is left for long
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)
    except ConnectionError:
        pass
    finally:
        writer.close()


async def test_an_answer_that_drips_is_none_and_keeps_nobody_from_opening_an_incident(
    tmp_path: Path,
) -> None:
    path = tmp_path / "admin.sock"
    server = await asyncio.start_unix_server(_drip, path)
    office = AdminOffice(AdminClient(path), within_s=0.2)
    try:
        async with asyncio.timeout(4):  # a guard: less than the answer's end
            for _ in range(4):
                with pytest.raises(OfficeError, match=r"no answer within 0\.2 s"):
                    await office.hand_in("prober01", [])
            with pytest.raises(OfficeError, match="has not answered"):  # threads do not pile up
                await office.hand_in("prober01", [])
    finally:
        server.close()
        await server.wait_closed()


async def test_a_door_that_is_not_there_is_told_in_its_words(tmp_path: Path) -> None:
    office = AdminOffice(AdminClient(tmp_path / "admin.sock"))
    for _ in range(9):
        with pytest.raises(OfficeError, match="does not answer on"):
            await office.hand_in("prober01", [])
