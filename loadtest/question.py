"""What is asked of a validation service: the request, and what may be answered to it."""

from typing import NamedTuple

from loadtest.clients import Client
from loadtest.records import Behaviour
from validation.signature import EMPTY_KEY, ApiKey
from validation.status import Status

VERIFY = "/wsapi/2.0/verify"
SHORT_NONCE = "tooshort"
"""Refused for its form: a nonce has 16 letters at least."""


class Pressed(NamedTuple):
    """An OTP as it was pressed, once. counters: session and use in it."""

    text: str
    key: str
    counters: tuple[int, int] | None


class Question(NamedTuple):
    """A request.

    target: path and query; otp, nonce: as sent; answer_key: signs the answer; echoes_otp,
    echoes_nonce: whether the answer repeats them; expected: the statuses that are right;
    may_be_limited: 429 is right as well.
    """

    target: str
    behaviour: Behaviour
    client_id: int
    signed: bool
    otp: Pressed
    nonce: str
    answer_key: ApiKey
    expected: frozenset[Status]
    may_be_limited: bool = False
    echoes_otp: bool = True
    echoes_nonce: bool = True


def ask(
    behaviour: Behaviour,
    client: Client,
    otp: Pressed,
    nonce: str,
    *expected: Status,
    signed: bool,
) -> Question:
    """Return a well-formed request of a client, signed or not."""
    line = _line(client.client_id, nonce, otp.text)
    target = _signed(line, client.api_key) if signed else f"{VERIFY}?{line}"
    return Question(
        target,
        behaviour,
        client.client_id,
        signed,
        otp,
        nonce,
        client.api_key,
        frozenset(expected),
        may_be_limited=behaviour is Behaviour.CROWDED,
    )


def ask_garbled(
    client: Client, good: Pressed, text: str, nonce: str, *, signed: bool, echoed: bool
) -> Question:
    """Return a request with `text`, which was made of the good OTP. echoed: it is modhex still."""
    garbled = good._replace(text=text)
    question = ask(Behaviour.GARBLED, client, garbled, nonce, Status.BAD_OTP, signed=signed)
    return question._replace(echoes_otp=echoed)


def ask_with_a_wrong_signature(client: Client, otp: Pressed, nonce: str) -> Question:
    """Return a request that is signed by a key which is not the client's."""
    question = ask(Behaviour.REFUSED, client, otp, nonce, Status.BAD_SIGNATURE, signed=True)
    line = _line(client.client_id, nonce, otp.text)
    return question._replace(target=_signed(line, ApiKey(b"nobody's key")))


def ask_as_nobody(client_id: int, otp: Pressed, nonce: str) -> Question:
    """Return a request of a Client ID that does not exist: the empty key signs the answer."""
    nobody = Client(client_id, EMPTY_KEY)
    return ask(Behaviour.REFUSED, nobody, otp, nonce, Status.NO_SUCH_CLIENT, signed=False)


def ask_malformed(client: Client, otp: Pressed) -> Question:
    """Return a request whose nonce is too short."""
    question = ask(
        Behaviour.REFUSED, client, otp, SHORT_NONCE, Status.MISSING_PARAMETER, signed=True
    )
    return question._replace(echoes_nonce=False)


def _line(client_id: int, nonce: str, otp: str) -> str:
    return f"id={client_id}&nonce={nonce}&otp={otp}"


def _signed(line: str, key: ApiKey) -> str:
    return f"{VERIFY}?{line}&h={key.sign(line.encode('ascii')).replace('+', '%2B')}"
