"""One line of the ledger: a request, and what was answered to it.

    1732700000000000 1234 valid 7 s cccccccbcdef 12.3 9f86d081884c7d65 200 OK +

The columns: sent (us since the epoch), took (us), behaviour, Client ID, signed or unsigned, the
key's public id, session and use counter of the OTP, a digest of the nonce, HTTP code, protocol
status, and whether the answer was genuine. `-` stands for what there is none of. No OTP, no nonce
and no secret is in it: (key, session, use) says which OTP it was, because each is pressed once.
"""

import hashlib
from enum import StrEnum
from typing import NamedTuple, Self

from validation import modhex
from validation.otp import MAX_PUBLIC_ID_LETTERS, SESSION_END
from validation.status import Status

_USES = 256
_MAX_NUMBER = 10**18
_MAX_CODE = 999
_DIGEST_LETTERS = 16


class Behaviour(StrEnum):
    """What a request tries, and so what may be answered."""

    VALID = "valid"
    """A fresh OTP at a client below its limit: OK, nothing else."""
    REPEATED = "repeated"
    """The same OTP and nonce again, because no answer came: OK or REPLAYED_REQUEST."""
    RACED = "raced"
    """A fresh OTP sent twice at once with two nonces: one OK, one REPLAYED_OTP."""
    CROWDED = "crowded"
    """A fresh OTP at a client over its limit: OK, or 429 and it stays valid."""
    SETTLED = "settled"
    """An OTP that was only ever refused, presented properly after the run: OK."""
    REPLAYED = "replayed"
    """An OTP that was accepted before: never OK."""
    GARBLED = "garbled"
    """A fresh OTP with letters exchanged or missing: never OK; the OTP itself stays valid."""
    REFUSED = "refused"
    """A fresh OTP in a request that must be refused: never OK; the OTP stays valid."""
    FOREIGN = "foreign"
    """An OTP of a key that nobody imported: never OK."""
    DISABLED = "disabled"
    """A fresh OTP of a disabled key: never OK."""


NEVER_OK = frozenset(
    {
        Behaviour.REPLAYED,
        Behaviour.GARBLED,
        Behaviour.REFUSED,
        Behaviour.FOREIGN,
        Behaviour.DISABLED,
    }
)

NO_ANSWER = "NO_ANSWER"
"""In place of a status: none came within the time, or the connection broke."""
CUT = "CUT"
"""The run ended while the answer was awaited."""
UNREADABLE = "UNREADABLE"
"""An answer came and held no status of the protocol."""

WORDS = frozenset(Status) | {NO_ANSWER, CUT, UNREADABLE}
UNKNOWN_OUTCOME = frozenset({Status.BACKEND_ERROR, NO_ANSWER, CUT, UNREADABLE})
"""After these nobody knows whether the OTP was consumed."""
OVER_THE_LIMIT = 429


class RecordError(ValueError):
    """The text is no line of a ledger."""


class Record(NamedTuple):
    """A request and its answer.

    key: the OTP's public id, "" for none; counters: session and use of the OTP, of a garbled one
    those of the OTP it was made of, None when it was not pressed from a key of this run; code: 0
    without an answer; status: one of WORDS; genuine: the answer was signed by the right key and
    belongs to the request.
    """

    sent_us: int
    took_us: int
    behaviour: Behaviour
    client_id: int
    signed: bool
    key: str
    counters: tuple[int, int] | None
    nonce: str
    code: int
    status: str
    genuine: bool

    @property
    def answered_us(self) -> int:
        """When the answer was there, or nobody waited for it any more."""
        return self.sent_us + self.took_us

    @property
    def throttled(self) -> bool:
        """Whether the answer was a refusal over a rate limit."""
        return self.code == OVER_THE_LIMIT

    def line(self) -> str:
        """Return the line, with its end; the inverse of `parse`."""
        counters = "-" if self.counters is None else f"{self.counters[0]}.{self.counters[1]}"
        return (
            f"{self.sent_us} {self.took_us} {self.behaviour} {self.client_id}"
            f" {'s' if self.signed else 'u'} {self.key or '-'} {counters} {self.nonce}"
            f" {self.code} {self.status} {'+' if self.genuine else '-'}\n"
        )

    @classmethod
    def parse(cls, line: str) -> Self:
        """Read one whole line; RecordError for anything that `line` does not write."""
        try:
            sent, took, behaviour, client, signed, key, counters, nonce, code, status, genuine = (
                line.removesuffix("\n").split(" ")
            )
            session, _, use = counters.partition(".")
            record = cls(
                int(sent),
                int(took),
                Behaviour(behaviour),
                int(client),
                signed == "s",
                "" if key == "-" else key,
                None if counters == "-" else (int(session), int(use)),
                nonce,
                int(code),
                status,
                genuine == "+",
            )
        except ValueError:
            raise RecordError("a line of the ledger is not as loadtest/records.py says") from None
        if not record._is_in_range() or record.line() != line:
            raise RecordError("a line of the ledger has a value that cannot be")
        return record

    def _is_in_range(self) -> bool:
        session, use = self.counters or (0, 0)
        numbers = (self.sent_us, self.took_us, self.client_id)
        return (
            all(0 <= number < _MAX_NUMBER for number in numbers)
            and 0 <= self.code <= _MAX_CODE
            and 0 <= session < SESSION_END
            and 0 <= use < _USES
            and len(self.key) <= MAX_PUBLIC_ID_LETTERS
            and modhex.is_modhex(self.key)
            and self.status in WORDS
            and len(self.nonce) == _DIGEST_LETTERS
        )


def digest(nonce: str) -> str:
    """Return what stands for a nonce: 16 hexadecimal letters."""
    return hashlib.blake2b(nonce.encode(), digest_size=_DIGEST_LETTERS // 2).hexdigest()
