"""The Locust users: people who log in, an eavesdropper, and a crowd over its client's limit."""

import secrets
from typing import Final

import gevent  # type: ignore[import-untyped] # it ships no types
from locust import task

from loadtest.clients import Client
from loadtest.desk import HeldKey, Overheard, nonce
from loadtest.garble import garble
from loadtest.guest import Guest
from loadtest.judgement import Grade, Heard
from loadtest.keyfile import KeySecrets
from loadtest.question import (
    Pressed,
    Question,
    ask,
    ask_as_nobody,
    ask_garbled,
    ask_malformed,
    ask_with_a_wrong_signature,
)
from loadtest.records import Behaviour
from validation.status import Status

_LONGEST_RETRY_S: Final = 3.0
"""A crowd that came back any later would be none."""
_FIRST_UNKNOWN_CLIENT: Final = 9_000_000_000
_UNKNOWN_CLIENTS: Final = 999_999_999


class Person(Guest):
    """Logs in with a key, mistypes, is misunderstood, clicks twice."""

    weight = 6

    def log_in_with(self, key: HeldKey, otp: Pressed) -> None:
        """Present a fresh OTP: it is OK. After silence the same question may be asked once more."""
        client, signed = self.desk.somewhere()
        self.pace(client, signed=signed)
        key.hand_in()
        question = ask(Behaviour.VALID, client, otp, nonce(), Status.OK, signed=signed)
        verdict = self.ask(question)
        if verdict is Grade.SILENT and not self.desk.plan.tolerant:
            self.pace(client, signed=signed)
            late = question._replace(
                behaviour=Behaviour.REPEATED,
                expected=frozenset({Status.OK, Status.REPLAYED_REQUEST}),
            )
            verdict = self.ask(late)
        if verdict is Grade.RIGHT:
            self.desk.overhear(question, client)

    @task(10)
    def log_in(self) -> None:
        """Press the key and log in."""
        key = self.desk.take_key()
        try:
            self.log_in_with(key, self.press(key))
        finally:
            self.lay_down(key)

    @task(1)
    def click_twice(self) -> None:
        """Send one OTP twice at once: exactly one is let in."""
        key = self.desk.take_key()
        try:
            otp = self.press(key)
            client, signed = self.desk.somewhere()
            questions = []
            for _ in range(2):
                self.pace(client, signed=signed)
                right = (Status.OK, Status.REPLAYED_OTP)
                questions.append(ask(Behaviour.RACED, client, otp, nonce(), *right, signed=signed))
            key.hand_in()
            self._race(questions)
        finally:
            self.lay_down(key)

    def _race(self, questions: list[Question]) -> None:
        """Send both at once; what they get is judged one by one, and together."""
        racers = [gevent.spawn(self.hear, question) for question in questions]
        try:
            gevent.joinall(racers, raise_error=True)
        finally:
            gevent.killall(racers)
        heard: list[Heard] = [racer.value for racer in racers]
        for question, one in zip(questions, heard, strict=True):
            self.judge(question, one)
        accepted = sum(one.status == Status.OK for one in heard)
        answered = all(one.genuine and one.status != Status.BACKEND_ERROR for one in heard)
        if accepted > 1:
            self.violation(Grade.OK_FOR_NONE, f"{accepted} of two requests with one OTP got OK")
        if not accepted and answered:
            self.violation(Grade.NONE_FOR_OK, "none of two requests with a fresh OTP got OK")

    @task(2)
    def mistype(self) -> None:
        """Send the OTP with letters exchanged or missing, then the OTP itself, which is good."""
        key = self.desk.take_key()
        try:
            otp = self.press(key)
            client, signed = self.desk.somewhere()
            self.pace(client, signed=signed)
            text, echoed = garble(otp.text)
            self.ask(ask_garbled(client, otp, text, nonce(), signed=signed, echoed=echoed))
            self.log_in_with(key, otp)
        finally:
            self.lay_down(key)

    @task(2)
    def be_refused_first(self) -> None:
        """Present the OTP in a way that must be refused, then properly: it is good still."""
        key = self.desk.take_key()
        try:
            otp = self.press(key)
            self.ask(self._refusable(otp))
            self.log_in_with(key, otp)
        finally:
            self.lay_down(key)

    def _refusable(self, otp: Pressed) -> Question:
        """Return a question that must be refused for anything but its OTP."""
        clients = self.desk.clients
        client = secrets.choice(clients.below)
        kinds = [
            ask_with_a_wrong_signature(client, otp, nonce()),
            ask_malformed(client, otp),
            ask_as_nobody(self._nobody(), otp, nonce()),
        ]
        if clients.disabled:
            gone = secrets.choice(clients.disabled)
            refused = Status.OPERATION_NOT_ALLOWED
            kinds.append(ask(Behaviour.REFUSED, gone, otp, nonce(), refused, signed=True))
        return secrets.choice(kinds)

    def _nobody(self) -> int:
        while True:
            client_id = _FIRST_UNKNOWN_CLIENT + secrets.randbelow(_UNKNOWN_CLIENTS)
            if client_id not in self.desk.clients.ids:
                return client_id


class Eavesdropper(Guest):
    """Has no key that works: replays what others typed, and tries keys of strangers."""

    weight = 2

    @task(3)
    def replay(self) -> None:
        """Send an accepted OTP again with another nonce, mostly at another client."""
        if self.desk.overheard:
            known = secrets.choice(self.desk.overheard)
            client, signed = self.desk.somewhere()
            self._replay(known.otp, client, nonce(), Status.REPLAYED_OTP, signed=signed)

    @task(1)
    def replay_at_once(self) -> None:
        """Send the newest accepted OTP again with another nonce."""
        if self.desk.overheard:
            known = self.desk.overheard[-1]
            client, signed = self._there(known)
            self._replay(known.otp, client, nonce(), Status.REPLAYED_OTP, signed=signed)

    @task(2)
    def replay_with_the_nonce(self) -> None:
        """Send an accepted request again as it was, nonce and all."""
        if self.desk.overheard:
            known = secrets.choice(self.desk.overheard)
            client, signed = self._there(known)
            right = (Status.REPLAYED_OTP, Status.REPLAYED_REQUEST)
            self._replay(known.otp, client, known.nonce, *right, signed=signed)

    def _there(self, known: Overheard) -> tuple[Client, bool]:
        """Return where it was accepted, but leave the budget of a crowded client to the crowd."""
        return self.desk.somewhere() if known.client.over else (known.client, known.signed)

    def _replay(
        self, otp: Pressed, client: Client, with_nonce: str, *right: Status, signed: bool
    ) -> None:
        self.pace(client, signed=signed)
        self.ask(ask(Behaviour.REPLAYED, client, otp, with_nonce, *right, signed=signed))

    @task(1)
    def try_a_strangers_key(self) -> None:
        """Send an OTP of a key that nobody imported."""
        stranger = KeySecrets.new()
        text = stranger.plugged_in().press(secrets.randbits(16))
        otp = Pressed(text, stranger.public_id, None)
        self._expect_bad_otp(Behaviour.FOREIGN, otp)

    @task(1)
    def try_a_disabled_key(self) -> None:
        """Send a fresh OTP of a key that was reported lost."""
        if self.desk.disabled:
            key = secrets.choice(self.desk.disabled)
            if not key.is_spent:
                otp = self.press(key)
                key.hand_in()
                self._expect_bad_otp(Behaviour.DISABLED, otp)

    def _expect_bad_otp(self, behaviour: Behaviour, otp: Pressed) -> None:
        client, signed = self.desk.somewhere()
        self.pace(client, signed=signed)
        self.ask(ask(behaviour, client, otp, nonce(), Status.BAD_OTP, signed=signed))


class Crowd(Guest):
    """Goes over a client's limit together with everybody else who logs in there."""

    weight = 2

    @task
    def push_in(self) -> None:
        """Log in; over the limit come back with the same OTP, which must be good still."""
        key = self.desk.take_key()
        try:
            otp = self.press(key)
            client = secrets.choice(self.desk.clients.over)
            signed = client.signed_only or secrets.randbelow(2) == 0
            verdict = Grade.LIMITED
            while verdict is Grade.LIMITED:
                question = ask(Behaviour.CROWDED, client, otp, nonce(), Status.OK, signed=signed)
                key.hand_in()
                verdict = self.ask(question)
                if verdict is Grade.RIGHT:
                    self.desk.overhear(question, client)
                elif verdict is Grade.LIMITED:
                    key.take_back(otp)
                    gevent.sleep(secrets.randbelow(1000) / 1000 * _LONGEST_RETRY_S)
        finally:
            self.lay_down(key)
