"""A verification room as `main` wires it, around a store in memory and a clock held still."""

import random
from base64 import b64decode
from typing import NamedTuple
from typing import Protocol as Seam
from urllib.parse import quote

from hsm.vault import OtpKeySecrets, Vault
from server.accounts.clients import ClientDesk
from server.accounts.ports import ClientBook
from server.otp.batcher import Batcher
from server.otp.keys import KeyDesk
from server.otp.ksm import KsmKey
from server.otp.ports import KeyBook
from server.otp.verify import Source, Verdict, Verifier, VerifierSettings
from tests.server.acts import CAUSE
from tests.server.faulty_store import FaultyStore, HotDirectory
from tests.server.otp.log_lines import LogLines
from tests.server.storage.keepers import Keeper
from validation.answer import Answer, parse
from validation.gcra import UNLIMITED, Policy, Rate
from validation.modhex import encode
from validation.otp import OtpCipher, OtpFields
from validation.request import Protocol
from validation.signature import EMPTY_KEY, ApiKey
from validation.virtual import VirtualYubiKey

GENEROUS = Policy(Rate.per_second(1_000_000, 1_000_000), UNLIMITED)
"""A limit that no test reaches by accident."""

STRANGER = Source("192.0.2.1", exempt=False)
NONCE = "abcdefghijklmnop"
SALT = b"salt of sixteen."


class Store(HotDirectory, KeyBook, ClientBook, Seam):
    """Everything a keeper offers."""


class Client(NamedTuple):
    client_id: int
    key: ApiKey


class Stranger(NamedTuple):
    """A key that no store knows yet; line: what an operator would import."""

    yubikey: VirtualYubiKey
    secrets: OtpKeySecrets
    line: str


class Reply(NamedTuple):
    """A verdict with its body read back: signed with the expected key, or the test fails."""

    verdict: Verdict
    answer: Answer

    @property
    def status(self) -> str:
        return self.answer.status


class Room:
    """One or more verifying processes on one store, which `keeper` stands behind."""

    def __init__(
        self,
        keeper: Keeper,
        store: Store,
        vault: Vault,
        *,
        policy: Policy = GENEROUS,
        settings: VerifierSettings = VerifierSettings(),  # noqa: B008 - a frozen value
    ) -> None:
        self.store = FaultyStore(store)
        self.keeper = keeper
        self.vault = vault
        self.clock = clock = keeper.clock
        self.log = LogLines()
        self.settings = settings
        self.clients = ClientDesk(store, vault, clock=clock, default_policy=policy)
        self.keys = KeyDesk(store, vault)
        self.batcher = Batcher(self.store, clock=clock)
        self.verifier = self.worker(self.batcher)
        self._random = random.Random(1)  # noqa: S311 - reproducible keys and presses

    def worker(self, batcher: Batcher | None = None) -> Verifier:
        """Return another verifying process on the same store."""
        return Verifier(
            directory=self.store,
            batcher=batcher or Batcher(self.store, clock=self.clock),
            vault=self.vault,
            clock=self.clock,
            log=self.log,
            salt=SALT,
            settings=self.settings,
        )

    async def client(self, *, signed_only: bool = False, phishing_test: bool = False) -> Client:
        issued = await self.clients.add(
            "a relying party", signed_only=signed_only, phishing_test=phishing_test, cause=CAUSE
        )
        return Client(issued.client.details.client_id, ApiKey(b64decode(issued.api_key)))

    def stranger(self, public_id: str) -> Stranger:
        """Make a key and keep it from the store."""
        aes_key, private_id = self._random.randbytes(16), self._random.randbytes(6)
        secrets = OtpKeySecrets(aes_key, private_id)
        line = KsmKey(1, "1", public_id, secrets).format()
        return Stranger(VirtualYubiKey(public_id, private_id, aes_key), secrets, line)

    async def yubikey(self, public_id: str = "cccccccccccb") -> VirtualYubiKey:
        """Make a key and import it, the way an operator does."""
        made = self.stranger(public_id)
        assert await self.keys.import_ksm(made.line, cause=CAUSE) == 1
        return made.yubikey

    async def rotate(self, client: Client) -> Client:
        """Return the client as it is known by its new API key."""
        issued = await self.clients.rotate(client.client_id, cause=CAUSE)
        return Client(client.client_id, ApiKey(b64decode(issued.api_key)))

    def seal(self, made: Stranger, fields: OtpFields) -> str:
        """Return an OTP that says anything at all, made with a key's own secrets."""
        sealed = OtpCipher(made.secrets.aes_key).seal(fields)
        return made.yubikey.public_id + encode(sealed)

    def press(self, yubikey: VirtualYubiKey) -> str:
        return yubikey.press(self._random.getrandbits(16))

    async def verdict(
        self,
        client: Client,
        otp: str,
        *,
        nonce: str = NONCE,
        signed: bool = True,
        source: Source = STRANGER,
        worker: Verifier | None = None,
        key: ApiKey | None = None,
        **more: str,
    ) -> Verdict:
        """Ask as a client does. key: signs the request instead of the client's."""
        parameters = {"id": str(client.client_id), "otp": otp, "nonce": nonce, **more}
        query = sign_query(parameters, (key or client.key) if signed else None)
        return await (worker or self.verifier).verify(query, Protocol.V2, source)

    async def ask(
        self,
        client: Client,
        otp: str,
        *,
        nonce: str = NONCE,
        signed: bool = True,
        source: Source = STRANGER,
        worker: Verifier | None = None,
        key: ApiKey | None = None,
        answered_by: ApiKey | None = None,
        **more: str,
    ) -> Reply:
        """Ask, and check the answer's signature as a careful client does.

        answered_by: the key that signs the answer, if it is not the client's.
        """
        verdict = await self.verdict(
            client,
            otp,
            nonce=nonce,
            signed=signed,
            source=source,
            worker=worker,
            key=key,
            **more,
        )
        return read_reply(verdict, answered_by or client.key)


def sign_query(parameters: dict[str, str], key: ApiKey | None) -> str:
    """Return a query string, signed unless there is no key."""
    if key is not None:
        line = "&".join(f"{name}={value}" for name, value in sorted(parameters.items()))
        parameters = {**parameters, "h": key.sign(line.encode())}
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters.items())


def read_reply(verdict: Verdict, key: ApiKey = EMPTY_KEY) -> Reply:
    """Read a verdict's body, which must say what the verdict says and be signed with `key`."""
    answer = parse(verdict.body, key)
    assert answer.status is verdict.status
    return Reply(verdict, answer)
