"""`python -m tests.server.fleet_bench`: signed reports per second at the door, over SQLite.

HOSTS laptops (10,000 if not said) with one key each report twice over 64 connections: first a key
that is new, then the same again, as nearly all reports do. Signatures are made before it begins.
"""

import asyncio
import os
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import aiohttp

from agent.identity import Identity
from agent.report import (
    HOST_HEADER,
    REPORT_CONTEXT,
    SIGNATURE_HEADER,
    KeyReport,
    Report,
    Value,
    encode,
)
from agent.report import (
    Identity as KeyIdentity,
)
from server.storage.books.fleet_rows import day_of
from tests.keystead_process import KeysteadProcess

HOSTS = int(os.environ.get("HOSTS", "10000"))
CONNECTIONS = 64
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
FACTS: dict[str, Value] = {
    "device.firmware": "5.7.4",
    "device.form_factor": "usb-c-keychain",
    "device.usb.supported": ("fido2", "oath", "openpgp", "otp", "piv", "u2f"),
    "fido.pin_set": True,
    "fido.pin_tries": 8,
    "piv.version": "5.7.4",
    "piv.pin.default": False,
    "piv.pin.tries": 3,
    **{f"piv.slot.{slot:x}.algorithm": "ec-p256" for slot in range(0x82, 0x96)},
    **{f"piv.slot.{slot:x}.origin": "generated" for slot in range(0x82, 0x96)},
    **{f"openpgp.touch.{use}": "off" for use in ("signature", "decryption", "authentication")},
}


class Letter:
    """A signed report."""

    def __init__(self, identity: Identity, number: int, sequence: int) -> None:
        today = day_of(int(time.time() * 1e6))
        key = KeyReport(KeyIdentity(serial=number + 1), today, None, FACTS, {})
        report = Report(
            f"{number * 2 + sequence:032x}",
            identity.host,
            sequence,
            today,
            "0.1.0",
            "linux",
            "Debian 12",
            {"yubikey-manager": "5.9.1"},
            0,
            (key,),
        )
        self.body = encode(report)
        self.headers = {
            "Content-Type": "application/json",
            HOST_HEADER: identity.host,
            SIGNATURE_HEADER: identity.sign(REPORT_CONTEXT, self.body),
        }


def put_in(store: Path, identities: list[Identity]) -> None:
    """Put hosts into the store of a service that does not run."""
    with sqlite3.connect(store) as connection:
        connection.executemany(
            "INSERT INTO fleet_host (host_id, name, folded, public_key, state, system, release,"
            " agent, software, enrolled_us, sequence, report_id, dropped, missing, clashes)"
            " VALUES (?, ?, ?, ?, 'active', 'linux', '', '', '{}', 0, 0, '', 0, 0, 0)",
            [
                (one.host, f"laptop-{number}", f"laptop-{number}", one.public_key)
                for number, one in enumerate(identities)
            ],
        )
    connection.close()


async def send(url: str, letters: list[Letter]) -> tuple[float, Counter[int]]:
    """Send all; return how long it took, and the answers."""
    waiting, answers = iter(letters), Counter[int]()
    async with aiohttp.ClientSession() as session:

        async def one_connection() -> None:
            for letter in waiting:
                sent = session.post(url, data=letter.body, headers=letter.headers)
                async with sent as answer:
                    await answer.read()
                    answers[answer.status] += 1

        begun = time.perf_counter()
        await asyncio.gather(*(one_connection() for _ in range(CONNECTIONS)))
        return time.perf_counter() - begun, answers


def processor_s(pid: int) -> float:
    """Return the processor time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_S


def main() -> int:
    """Measure; fail if a report was not taken."""
    with tempfile.TemporaryDirectory() as place:
        keystead = KeysteadProcess(Path(place) / "var")
        with keystead:
            keystead.init()
            identities = [Identity.fresh("http://127.0.0.1", "", "") for _ in range(HOSTS)]
            (store,) = (Path(place) / "var").glob("keystead.db")
            put_in(store, identities)
            keystead.start(options=["--fleet-listen", "127.0.0.1:0"])
            assert keystead.ready is not None
            assert keystead.process is not None
            for sequence, what in ((1, "keys that are new"), (2, "what was said before")):
                letters = [
                    Letter(identity, number, sequence) for number, identity in enumerate(identities)
                ]
                pid = keystead.process.pid
                before = processor_s(pid)
                url = keystead.ready.fleet_url + "/fleet/v1/reports"
                took_s, answers = asyncio.run(send(url, letters))
                spent_s = processor_s(pid) - before
                sys.stdout.write(
                    f"{what}: {HOSTS / took_s:,.0f} reports/s ({HOSTS:,} of"
                    f" {len(letters[0].body):,} octets in {took_s:.1f} s; server's processor time"
                    f" {spent_s / HOSTS * 1e3:.2f} ms a report); answers {dict(answers)}\n"
                )
                sys.stdout.flush()
                if answers != {202: HOSTS}:
                    return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
