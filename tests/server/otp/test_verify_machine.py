"""Any order of requests, administration, faults and clock jumps keeps the properties P1-P4."""

import asyncio

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from server.otp.ports import StoreUnavailableError, UnknownOutcomeError
from server.otp.verify import Source
from tests.server.acts import CAUSE
from tests.server.otp.conftest import file_vault
from tests.server.otp.room import STRANGER, Client, Reply, Room, read_reply
from tests.server.storage.keepers import MemoryKeeper
from validation.gcra import UNLIMITED, Policy, Rate
from validation.signature import ApiKey
from validation.status import Status

POLICY = Policy(Rate.per_second(5, 8), UNLIMITED)
ELSEWHERE = Source("198.51.100.7", exempt=False)
WRONG_KEY = ApiKey(b"not a client's key")
NONCES = ["n" * 16, "m" * 16, "o" * 40]


class VerifierMachine(RuleBasedStateMachine):
    """Two clients, three keys, three workers on one store, and somebody who means harm."""

    otps = Bundle("otps")

    @initialize()
    def open(self) -> None:
        self.runner = asyncio.Runner()
        self.runner.run(self._open())
        self.counters = self._stored()
        self.accepted: set[str] = set()
        self.pressed: dict[str, str] = {}

    async def _open(self) -> None:
        keeper = MemoryKeeper(POLICY)
        self.room = Room(keeper, await keeper.open(), file_vault(), policy=POLICY)
        self.workers = [self.room.verifier, self.room.worker(), self.room.worker()]
        self.clients = [await self.room.client(), await self.room.client(signed_only=True)]
        self.yubikeys = [await self.room.yubikey("ccccccccccc" + letter) for letter in "cbd"]

    def _stored(self) -> dict[str, tuple[int, int]]:
        keys = self.runner.run(self.room.keys.list(None, 100))
        return {key.public_id: (key.session, key.use) for key in keys}

    @rule(target=otps, key=st.integers(0, 2))
    def press(self, key: int) -> str:
        otp = self.room.press(self.yubikeys[key])
        self.pressed[otp] = self.yubikeys[key].public_id
        return otp

    @rule(key=st.integers(0, 2))
    def power_up(self, key: int) -> None:
        self.yubikeys[key].power_up()

    @rule(target=otps, otp=otps, letter=st.integers(12, 43))
    def garble(self, otp: str, letter: int) -> str:
        return otp[:letter] + ("c" if otp[letter] != "c" else "b") + otp[letter + 1 :]

    @rule(
        otp=otps,
        client=st.integers(0, 1),
        worker=st.integers(0, 2),
        nonce=st.sampled_from(NONCES),
        signing=st.sampled_from(["signed", "signed", "unsigned", "forged"]),
        source=st.sampled_from([STRANGER, ELSEWHERE]),
        fault=st.sampled_from([None, None, None, "before", "after"]),
    )
    def ask(
        self,
        *,
        otp: str,
        client: int,
        worker: int,
        nonce: str,
        signing: str,
        source: Source,
        fault: str | None,
    ) -> None:
        store = self.room.store
        if fault == "before":
            store.fail_before = StoreUnavailableError("away")
        if fault == "after":
            store.fail_after = UnknownOutcomeError("cut")
        before = self._stored()
        verdict = self.runner.run(
            self.room.verdict(
                self.clients[client],
                otp,
                nonce=nonce,
                worker=self.workers[worker],
                signed=signing != "unsigned",
                key=WRONG_KEY if signing == "forged" else None,
                source=source,
            )
        )
        store.fail_before = store.fail_after = None
        if fault is None:  # with the store away, a key that was ended meanwhile may still sign
            read_reply(verdict, self.clients[client].key)
        if verdict.status is Status.OK:
            assert signing != "forged"
            assert not (client == 1 and signing == "unsigned")
            self._accept(otp, client)
        elif not (verdict.status is Status.BACKEND_ERROR and fault == "after"):
            assert self._stored() == before  # P4
        assert verdict.limit is None or verdict.status is Status.OPERATION_NOT_ALLOWED

    def _accept(self, otp: str, client: int) -> None:
        assert otp not in self.accepted  # P1
        self.accepted.add(otp)
        assert otp in self.pressed  # P3: a genuine one, of an active key, for an active client
        assert self.runner.run(self.room.keys.show(self.pressed[otp])).active
        client_id = self.clients[client].client_id
        assert self.runner.run(self.room.clients.show(client_id)).details.active

    @rule(otp=otps, client=st.integers(0, 1), one_nonce=st.booleans())
    def ask_in_parallel(self, otp: str, client: int, *, one_nonce: bool) -> None:
        async def all_at_once() -> list[Reply]:
            return await asyncio.gather(
                *(
                    self.room.ask(
                        self.clients[client],
                        otp,
                        nonce=NONCES[0 if one_nonce else number % 3],
                        worker=self.workers[number % 3],
                    )
                    for number in range(7)
                )
            )

        before = self._stored()
        replies = self.runner.run(all_at_once())
        winners = [reply for reply in replies if reply.status == Status.OK]
        assert len(winners) <= 1
        if winners:
            self._accept(otp, client)
        else:
            assert self._stored() == before

    @rule(key=st.integers(0, 2), active=st.booleans())
    def switch_key(self, key: int, *, active: bool) -> None:
        desk = self.room.keys
        switch = desk.enable if active else desk.disable
        self.runner.run(switch(self.yubikeys[key].public_id, cause=CAUSE))

    @rule(client=st.integers(0, 1), active=st.booleans())
    def switch_client(self, client: int, *, active: bool) -> None:
        desk = self.room.clients
        switch = desk.enable if active else desk.disable
        self.runner.run(switch(self.clients[client].client_id, cause=CAUSE))

    @rule(client=st.integers(0, 1))
    def rotate(self, client: int) -> None:
        async def whole() -> Client:
            new = await self.room.rotate(self.clients[client])
            await self.room.clients.finish_rotation(new.client_id, cause=CAUSE)
            return new

        self.clients[client] = self.runner.run(whole())

    @rule(client=st.integers(0, 1), burst=st.sampled_from([1, 1000]), shadow=st.booleans())
    def limit(self, client: int, burst: int, *, shadow: bool) -> None:
        client_id = self.clients[client].client_id
        self.runner.run(
            self.room.clients.limit(client_id, rate=burst, burst=burst, shadow=shadow, cause=CAUSE)
        )

    @rule(seconds=st.sampled_from([0.1, 1.0, 60.0]))
    def wait(self, seconds: float) -> None:
        self.room.clock.pass_by(seconds)

    @rule(jump=st.sampled_from([-315_360_000, -3600, 3600, 315_360_000]))
    def set_the_hosts_clock(self, jump: int) -> None:
        self.room.clock.set_wall(jump)

    @invariant()
    def stored_counters_never_go_back(self) -> None:  # P2
        if not hasattr(self, "room"):
            return
        now = self._stored()
        assert all(now[public_id] >= self.counters[public_id] for public_id in self.counters)
        self.counters = now

    def teardown(self) -> None:
        if hasattr(self, "runner"):
            self.runner.close()


TestVerifier = VerifierMachine.TestCase
TestVerifier.settings = settings(max_examples=40, stateful_step_count=50, deadline=None)
