"""An estate: a running Keystead with its own store, full of keys that the bench holds too.

A folder that holds an estate already is taken up again, because a million keys take minutes
to import. What was used up of the keys' counters is written down before it is used.
"""

import contextlib
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from loadtest.bench.console import say
from loadtest.bench.keyring import Keyring, Party, sessions_used, targets
from loadtest.bench.postgres import postgres
from loadtest.bench.processes import processor_seconds
from loadtest.bench.service import Installation, Service, enrol, import_keys
from validation.signature import ApiKey

Store = Literal["sqlite", "postgres"]

_NAMES: Mapping[Store, str] = {"sqlite": "SQLite", "postgres": "PostgreSQL"}
_MEMORY = "estate.json"
_FORMAT = 1


class Estate:
    """A running service and the keys it knows.

    memory: the file that remembers seed, client and the next unused session counter.
    database_pid: PostgreSQL's postmaster, None on SQLite.
    """

    def __init__(
        self,
        store: Store,
        service: Service,
        keyring: Keyring,
        memory: Path,
        database_pid: int | None,
        *,
        journaled: bool,
    ) -> None:
        self.name = f"Keystead on {_NAMES[store]}, {keyring.count:,} keys" + (
            ", counter journal" if journaled else ""
        )
        self.service = service
        self.keyring = keyring
        self._memory = memory
        self._database_pid = database_pid

    def requests(self, count: int, *, start: int = 0) -> Sequence[str]:
        """Return `count` request targets with fresh signed OTPs that nobody has seen.

        Of keys in an order that comes back to a key when all others had their turn; start: how
        many of them to leave out.
        """
        memory = json.loads(self._memory.read_text())
        session = memory["session"]
        memory["session"] = session + sessions_used(self.keyring.count, count)
        self._memory.write_text(json.dumps(memory))
        party = Party(memory["client_id"], ApiKey(bytes.fromhex(memory["api_key"])))
        return list(targets(self.keyring, [party], session=session, count=count, start=start))

    def processor_seconds(self) -> tuple[float, float]:
        """Return the processor time used so far by the service and by PostgreSQL."""
        database = 0.0 if self._database_pid is None else processor_seconds(self._database_pid)
        return processor_seconds(self.service.pid), database


@contextlib.contextmanager
def standing(
    folder: Path,
    store: Store,
    keys: int,
    *,
    journaled: bool = False,
    settings: str = "",
    program: Path | None = None,
) -> Iterator[Estate]:
    """Run the estate in `folder`, built there when it is missing.

    journaled: what is accepted is in a counter journal, on the same disk, before its OK leaves;
    settings: tables for its configuration; program: another `keystead` than this one.
    """
    memory = folder / _MEMORY
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        database = stack.enter_context(postgres(folder)) if store == "postgres" else None
        installation = Installation(folder / "data", database.url if database else None, program)
        if not memory.exists():
            installation.say("init")
            installation.remember_keys(keys)
            if journaled:
                installation.journal_counters(folder / "counters")
            installation.set(settings)
        service = stack.enter_context(installation.serving(folder / "keystead.log"))
        if not memory.exists():
            say(f"building an estate of {keys:,} keys on {store}")
            seed = secrets.token_bytes(16)
            import_keys(installation, Keyring(seed, keys), folder)
            client_id, api_key = enrol(installation, "bench")
            # Holds an API key of a bench client: private like any other.
            memory.touch(mode=0o600)
            memory.write_text(
                json.dumps(
                    {
                        "format": _FORMAT,
                        "seed": seed.hex(),
                        "keys": keys,
                        "client_id": client_id,
                        "api_key": api_key.hex(),
                        "session": 1,
                    }
                )
            )
        known = json.loads(memory.read_text())
        keyring = Keyring(bytes.fromhex(known["seed"]), known["keys"])
        yield Estate(
            store, service, keyring, memory, database.pid if database else None, journaled=journaled
        )
