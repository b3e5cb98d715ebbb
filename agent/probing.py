"""One key, read once: every application is asked its few questions, within one deadline."""

from collections.abc import Callable, Sequence

from agent.apdu import Answer, get_response, select
from agent.applications import fido, management, oath, openpgp, otp, piv, security_domain
from agent.applications.script import Application, Script, reason_of
from agent.findings import Findings, GarbageError, Reason
from agent.ports import (
    Card,
    CardBusyError,
    CardRemovedError,
    Cards,
    PcscAwayError,
    ReaderFailedError,
)

DEADLINE_S = 5.0
"""For a whole key: while it is read, other programs wait."""

APPLICATIONS: Sequence[Application] = (
    management.APPLICATION,
    otp.APPLICATION,
    oath.APPLICATION,
    piv.APPLICATION,
    openpgp.APPLICATION,
    security_domain.APPLICATION,
    fido.APPLICATION,
)
"""Management first: it says what is switched off, and which key it is."""

_MORE, _SELECTED_THOUGH = 0x61, (0x6283, 0x6285)
_MAX_ANSWER = 16 * 1024
_MAX_ROUNDS = 128

Monotonic = Callable[[], float]


def is_yubikey(reader: str, atr: bytes) -> bool:
    """Return whether a card may be one: others are left alone, even by SELECT.

    Keys at USB name their reader, and greet with their name (ISO 7816-4 historical bytes), which
    tells them at an NFC reader too.
    """
    return "yubikey" in reader.lower() or b"yubikey" in atr.lower()


def read_key(
    cards: Cards, reader: str, monotonic: Monotonic, deadline_s: float = DEADLINE_S
) -> Findings:
    """Read the key in a reader. Whatever goes wrong is a reason in what was found."""
    until = monotonic() + deadline_s
    findings = Findings()
    try:
        card = cards.open(reader)
    except CardBusyError:
        return _missed(findings, APPLICATIONS, Reason.IN_USE)
    except CardRemovedError:
        return _missed(findings, APPLICATIONS, Reason.REMOVED)
    except (ReaderFailedError, PcscAwayError):
        return _missed(findings, APPLICATIONS, Reason.FAILED)
    try:
        _read_all(Talk(card, monotonic, until), findings)
    finally:
        card.close()
    return findings


def nothing_but(reason: Reason) -> Findings:
    """Return what is found of a key that could not be asked anything."""
    return _missed(Findings(), APPLICATIONS, reason)


class LateError(Exception):
    """The deadline is over: that ends the talk with a key, and is nobody's fault."""


class Talk:
    """Commands to a card: an answer in parts is put together, and time is kept."""

    def __init__(self, card: Card, monotonic: Monotonic, until: float) -> None:
        self._card = card
        self._monotonic = monotonic
        self._until = until

    def ask(self, octets: bytes) -> Answer:
        """Say one thing. LateError, GarbageError, and what `Card.exchange` raises."""
        answer = self._exchange(octets)
        data = bytearray(answer.data)
        rounds = 0
        while answer.status >> 8 == _MORE:
            rounds += 1
            if len(data) > _MAX_ANSWER or rounds > _MAX_ROUNDS:
                raise GarbageError("an answer without an end")
            answer = self._exchange(get_response(answer.status & 0xFF))
            data += answer.data
        return Answer(bytes(data), answer.status)

    def _exchange(self, octets: bytes) -> Answer:
        if self._monotonic() >= self._until:
            raise LateError
        return self._card.exchange(octets)


def _read_all(talk: Talk, findings: Findings) -> None:
    for place, application in enumerate(APPLICATIONS):
        left = APPLICATIONS[place:]
        try:
            _read_one(talk, application, findings)
        except GarbageError:
            findings.miss(application.group, Reason.GARBAGE)
        except LateError:
            _missed(findings, left, Reason.DEADLINE)
            return
        except CardRemovedError:
            _missed(findings, left, Reason.REMOVED)
            return
        except CardBusyError:
            _missed(findings, left, Reason.IN_USE)
            return
        except (ReaderFailedError, PcscAwayError):
            _missed(findings, left, Reason.FAILED)
            return


def _read_one(talk: Talk, application: Application, findings: Findings) -> None:
    answer = talk.ask(select(application.name))
    if not answer.ok and answer.status not in _SELECTED_THOUGH:
        findings.miss(application.group, _why(application, answer, findings))
        return
    _drive(talk, application.script(answer, findings))


def _drive(talk: Talk, script: Script) -> None:
    try:
        question = next(script)
        while True:
            question = script.send(talk.ask(question))
    except StopIteration:
        return
    finally:
        script.close()


def _why(application: Application, answer: Answer, findings: Findings) -> Reason:
    reason = reason_of(answer)
    if reason is not Reason.ABSENT and reason is not Reason.UNSUPPORTED:
        return reason
    if application.group == "fido":
        # Over USB the card's interface does not lead to it; a FIDO device may.
        return Reason.NOT_HERE
    # Which of the two transports this is, a card does not say.
    supported, *enabled = (
        found if isinstance(found := findings.facts.get(f"device.{name}"), tuple) else ()
        for name in ("usb.supported", "usb.enabled", "nfc.enabled")
    )
    if application.capability in supported and any(
        one and application.capability not in one for one in enabled
    ):
        return Reason.SWITCHED_OFF
    return Reason.ABSENT


def _missed(findings: Findings, applications: Sequence[Application], reason: Reason) -> Findings:
    """Note for each group why it could not be read, or not to the end.

    A group of which something is known already keeps it: what is missing has the reason.
    """
    for application in applications:
        findings.miss(application.group, reason)
    return findings
