"""What all Locust users have in common: asking, listening, writing it down, ending the run."""

import secrets
import sys
from typing import ClassVar, Final, NoReturn

import gevent  # type: ignore[import-untyped] # it ships no types
from locust import FastHttpUser
from locust.env import Environment
from locust.exception import StopTest, StopUser
from locust.runners import WorkerRunner

from loadtest.allowlist import HostRefusedError, admit, admit_redirect
from loadtest.clients import Client
from loadtest.desk import Desk, HeldKey, SpentError
from loadtest.exits import Exit
from loadtest.judgement import VIOLATIONS, Grade, Heard, grade, hear, told
from loadtest.question import VERIFY, Pressed, Question
from loadtest.records import CUT, Record, digest

END: Final = "keystead_end"
"""The message by which a worker process has the master end the run."""
_US: Final = 1_000_000


def end(environment: Environment, code: Exit, reason: str) -> None:
    """End the run at once, in all its processes."""
    sys.stderr.write(f"loadtest: {reason}\n")
    runner = environment.runner
    environment.stop_timeout = 0
    if isinstance(runner, WorkerRunner):
        runner.send_message(END, {"code": int(code)})
    elif runner is not None:
        if environment.process_exit_code is None:
            environment.process_exit_code = int(code)
        # Not from within a user: quitting waits for all of them.
        gevent.spawn(runner.quit)


class Guest(FastHttpUser):
    """What all users have in common: asking, listening, writing it down."""

    abstract = True
    # A redirect would lead to a host that nobody allowed.
    max_redirects = 0
    connection_timeout = 5.0
    network_timeout = 30.0
    desk: ClassVar[Desk]

    def __init__(self, environment: Environment) -> None:
        # Before a connection exists: the host could have come from anywhere.
        try:
            admit(self.host or "", self.desk.plan.allowed)
        except HostRefusedError as error:
            end(environment, Exit.USAGE, str(error))
            raise StopTest(str(error)) from None
        super().__init__(environment)

    def wait_time(self) -> float:
        """Pause for 0.5 to 1.5 times the plan's pause."""
        return self.desk.plan.pause_s * (0.5 + secrets.randbelow(1000) / 1000)

    def ask(self, question: Question) -> Grade:
        """Send one request, write it and its answer down, and judge it."""
        return self.judge(question, self.hear(question))

    def hear(self, question: Question) -> Heard:
        """Send one request, and write it and its answer down; also when it is cut short."""
        desk = self.desk
        if desk.stopped:
            raise StopUser
        heard = Heard(0, CUT, genuine=False)
        sent_us = desk.clock.now_us()
        try:
            heard = self._send(question)
        finally:
            self._write_down(question, sent_us, heard)
        return heard

    def _write_down(self, question: Question, sent_us: int, heard: Heard) -> None:
        record = Record(
            sent_us,
            self.desk.clock.now_us() - sent_us,
            question.behaviour,
            question.client_id,
            question.signed,
            question.otp.key,
            question.otp.counters,
            digest(question.nonce),
            *heard,
        )
        try:
            self.desk.ledger.append(record)
        except OSError as error:
            self.stop_all(Exit.BROKEN, f"the ledger cannot be written: {error}")

    def judge(self, question: Question, heard: Heard) -> Grade:
        """Judge an answer; a violation ends the run."""
        verdict = grade(question, heard, tolerant=self.desk.plan.tolerant)
        if verdict in VIOLATIONS:
            self.violation(verdict, f"{question.behaviour}: {told(question, heard)}")
        return verdict

    def _send(self, question: Question) -> Heard:
        with self.client.get(
            question.target,
            name=f"{VERIFY} [{question.behaviour}]",  # one line of the report, and no OTP in it
            catch_response=True,
            allow_redirects=False,
        ) as response:
            heard = hear(question, response.status_code, response.content or b"")
            verdict = grade(question, heard, tolerant=self.desk.plan.tolerant)
            if verdict in {Grade.RIGHT, Grade.LIMITED}:
                response.success()
            else:
                response.failure(told(question, heard))
            location = response.headers.get("location") if response.headers else None
            if location:
                self._refuse_redirect(location)
        return heard

    def _refuse_redirect(self, location: str) -> None:
        """End the run when the service points to a host that may not be loaded."""
        try:
            admit_redirect(location, self.desk.plan.allowed)
        except HostRefusedError as error:
            self.stop_all(Exit.USAGE, f"a redirect was refused: {error}")

    def violation(self, verdict: Grade, reason: str) -> NoReturn:
        """End the run at once."""
        code = Exit.OK_FOR_NONE if verdict is Grade.OK_FOR_NONE else Exit.NONE_FOR_OK
        self.stop_all(code, f"violation: {reason}")

    def stop_all(self, code: Exit, reason: str) -> NoReturn:
        """End the run at once; no other user of this process sends anything any more."""
        if not self.desk.stopped:
            self.desk.stopped = True
            end(self.environment, code, reason)
        raise StopUser(reason)

    def pace(self, client: Client, *, signed: bool) -> None:
        """Wait until a session at this client stays below its limit."""
        while wait_us := self.desk.wait_us(client, signed=signed):
            gevent.sleep(wait_us / _US)

    def press(self, key: HeldKey) -> Pressed:
        """Press a key; a run that needs more OTPs than it took ends as broken."""
        try:
            return key.press()
        except SpentError:
            self.stop_all(Exit.BROKEN, "the keys' sessions are used up: --sessions, or more keys")

    def lay_down(self, key: HeldKey) -> None:
        """Give a key back."""
        try:
            self.desk.give_back(key)
        except SpentError:
            self.stop_all(Exit.BROKEN, "the keys' sessions are used up: --sessions, or more keys")
