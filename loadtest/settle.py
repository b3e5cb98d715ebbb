"""After the run: OTPs that were only ever refused are presented once more, and must be good."""

import http.client
import time
from urllib.parse import urlsplit

from loadtest.desk import nonce
from loadtest.judgement import hear
from loadtest.ledger import LedgerWriter
from loadtest.pacer import Pacer, paced
from loadtest.plan import Plan, press
from loadtest.proof.playback import waiting
from loadtest.question import Pressed, Question, ask
from loadtest.records import Behaviour, Record, digest
from validation.status import Status

_WITHIN_S = 15.0
_MAX_BODY = 1 << 16


def settle(plan: Plan) -> int:
    """Present what is still waiting, at a client below its limit; return how many there were."""
    keys = {key.public_id: key for key in plan.keys}
    open_otps = sorted(waiting(plan.ledger))
    client = plan.clients.below[0]
    # The run's own pacers start afresh, so this one takes the share of a single process of many.
    pacer = Pacer(paced(client.rate, client.burst, plan.processes))
    with LedgerWriter(plan.ledger, "settled") as ledger:
        for key, counters in open_otps:
            while wait_us := pacer.wait_us(plan.clock.now_us()):
                time.sleep(wait_us / 1_000_000)
            otp = Pressed(press(keys[key], counters), key, counters)
            question = ask(Behaviour.SETTLED, client, otp, nonce(), Status.OK, signed=True)
            ledger.append(_record(plan, question))
    return len(open_otps)


def _record(plan: Plan, question: Question) -> Record:
    sent_us = plan.clock.now_us()
    heard = hear(question, *_get(plan.target, question.target))
    return Record(
        sent_us,
        plan.clock.now_us() - sent_us,
        question.behaviour,
        question.client_id,
        question.signed,
        question.otp.key,
        question.otp.counters,
        digest(question.nonce),
        *heard,
    )


def _get(base: str, target: str) -> tuple[int, bytes]:
    """GET without following anything, through no proxy; code 0 when no answer comes."""
    parts = urlsplit(base)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=_WITHIN_S)
    try:
        connection.request("GET", target)
        response = connection.getresponse()
        return response.status, response.read(_MAX_BODY)
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()
