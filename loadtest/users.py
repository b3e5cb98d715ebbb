"""The first Locust user: a person who logs in somewhere with a YubiKey, and an eavesdropper.

    locust -f loadtest/users.py --headless --users 20 --run-time 30s \
        --host http://127.0.0.1:8080 --keystead-keys load.json

Each user holds one virtual YubiKey of the key file (`loadtest.keyfile` makes one) and logs in
about once a second, so the number of users is the logins a second to expect. Anything but OK
for a fresh OTP is a failure, and anything but REPLAYED_OTP for a used one.
"""

import secrets
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, ClassVar, Final

from locust import FastHttpUser, between, events, task
from locust.env import Environment
from locust.exception import StopTest, StopUser
from locust.runners import MasterRunner, WorkerRunner

from loadtest.allowlist import HostRefusedError, admit
from loadtest.judgement import Question, complaint
from loadtest.keyfile import SESSIONS_PER_RUN, Client, KeyFileError, KeyRing, take_sessions
from validation.status import Status
from validation.virtual import VirtualYubiKey

VERIFY: Final = "/wsapi/2.0/verify"


class KeyPool:
    """The run's keys: each is in one user's hand at a time. ring: with its sessions taken."""

    def __init__(self, ring: KeyRing) -> None:
        self._clients = ring.clients
        self._ends = {key.public_id: key.session + SESSIONS_PER_RUN for key in ring.keys}
        self._free = [key.plugged_in() for key in ring.keys]
        self._handed_out = 0

    def take(self) -> tuple[VirtualYubiKey, Client] | None:
        """Hand a key out, and the client its user logs in at; None when every key is in use."""
        if not self._free:
            return None
        self._handed_out += 1
        return self._free.pop(), self._clients[self._handed_out % len(self._clients)]

    def give_back(self, key: VirtualYubiKey) -> None:
        """Take a key back for the user who comes next."""
        self._free.append(key)

    def is_spent(self, key: VirtualYubiKey) -> bool:
        """Whether the key has used all the session counters that this run took for it."""
        return key.session >= self._ends[key.public_id]


def refuse(environment: Environment, reason: str) -> StopTest:
    """End the whole test as failed, whatever was measured until now."""
    environment.process_exit_code = 2
    return StopTest(reason)


def add_options(parser: ArgumentParser) -> None:
    """Declare the options of this file; secrets come by file, never in the environment."""
    parser.add_argument("--keystead-keys", metavar="FILE", help="clients and virtual YubiKeys")
    parser.add_argument(
        "--keystead-allow-host",
        metavar="HOST",
        action="append",
        default=[],
        help="a host of yours, other than the loopback, that may be put under load",
    )


def prepare(environment: Environment, **_other: Any) -> None:  # noqa: ANN401 - Locust's hook
    """Refuse a wrong target, then take the keys, before the first user is made."""
    if isinstance(environment.runner, MasterRunner | WorkerRunner):
        raise refuse(
            environment, "keys would be pressed twice: run one Locust process per key file"
        )
    options = environment.parsed_options
    if options is None or not options.keystead_keys:
        raise refuse(environment, "name the key file: --keystead-keys FILE")
    try:
        admit(environment.host or "", options.keystead_allow_host)
        ring = take_sessions(Path(options.keystead_keys))
    except (HostRefusedError, KeyFileError) as error:
        raise refuse(environment, str(error)) from None
    users = environment.runner.target_user_count if environment.runner else 0
    if users > len(ring.keys):
        raise refuse(environment, f"{users} users, {len(ring.keys)} keys: each user holds a key")
    Person.pool = KeyPool(ring)


class Person(FastHttpUser):
    """Presses one virtual YubiKey about once a second; now and then somebody replays its OTP."""

    wait_time = between(0.5, 1.5)
    # A redirect would lead to a host that nobody allowed.
    max_redirects = 0
    connection_timeout = 5.0
    network_timeout = 30.0
    pool: ClassVar[KeyPool]

    def __init__(self, environment: Environment) -> None:
        # Again, and before a connection exists: a web form can change the host between runs.
        options = environment.parsed_options
        try:
            admit(self.host or "", options.keystead_allow_host if options else ())
        except HostRefusedError as error:
            raise refuse(environment, str(error)) from None
        super().__init__(environment)
        self._holding: tuple[VirtualYubiKey, Client] | None = None
        self._used_otp: str | None = None

    def on_start(self) -> None:
        """Get a key."""
        self._holding = self.pool.take()
        if self._holding is None:  # users were added while the test runs
            self.environment.process_exit_code = 2
            raise StopUser("more users than keys: make a key file with more")

    def on_stop(self) -> None:
        """Hand the key on."""
        if self._holding is not None:
            self.pool.give_back(self._holding[0])
            self._holding = None

    @task(9)
    def log_in(self) -> None:
        """Press the key: a fresh OTP is accepted."""
        if self._holding is None or self.pool.is_spent(self._holding[0]):
            raise StopUser
        key, client = self._holding
        otp = key.press(secrets.randbits(16))
        if self._ask("fresh", client, otp, Status.OK):
            self._used_otp = otp

    @task(1)
    def replay(self) -> None:
        """Send the last accepted OTP again, as somebody who read it over a shoulder would."""
        if self._holding is not None and self._used_otp is not None:
            self._ask("replayed", self._holding[1], self._used_otp, Status.REPLAYED_OTP)

    def _ask(self, kind: str, client: Client, otp: str, expected: Status) -> bool:
        """Send one signed request; report it as failed unless the answer is the expected one."""
        question = Question(otp, secrets.token_hex(16), expected)
        line = f"id={client.client_id}&nonce={question.nonce}&otp={otp}"
        signature = client.api_key.sign(line.encode("ascii")).replace("+", "%2B")
        with self.client.get(
            f"{VERIFY}?{line}&h={signature}",
            name=f"{VERIFY} [{kind}]",  # one line of the report, and no OTP in it
            catch_response=True,
            allow_redirects=False,
        ) as response:
            wrong = complaint(
                question, response.status_code, response.content or b"", client.api_key
            )
            if wrong is None:
                response.success()
            else:
                response.failure(wrong)
        return wrong is None


# Locust leaves its hooks without types.
events.init_command_line_parser.add_listener(add_options)  # type: ignore[no-untyped-call]
events.test_start.add_listener(prepare)  # type: ignore[no-untyped-call]
