"""The answer to a verification: `key=value` lines, signed, each ended by CRLF."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from validation.signature import ApiKey
from validation.status import Status

_SECOND_US = 1_000_000


class ForgedAnswerError(ValueError):
    """The text is no answer signed with this key."""


class Answer(NamedTuple):
    """What is answered; None leaves a line out.

    time_us: microseconds since the epoch, sent in milliseconds; otp, nonce: exactly as the
    client sent them, in form already; sync_level: per cent; clock (24 bits, 8 Hz), session,
    use: the key's own, for clients that ask with `timestamp=1`.
    """

    status: Status
    time_us: int
    otp: str | None = None
    nonce: str | None = None
    sync_level: int | None = None
    clock: int | None = None
    session: int | None = None
    use: int | None = None


@lru_cache(maxsize=4)
def _second(seconds: int) -> str:
    """Return the text of a second, UTC. Most answers share it with the one before."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ0")


def _time(time_us: int) -> str:
    """Return `YYYY-MM-DDTHH:MM:SSZ0mmm`: the reference prints a 0 and milliseconds after the Z."""
    seconds, micros = divmod(time_us, _SECOND_US)
    return f"{_second(seconds)}{micros // 1000:03d}"


def compose(answer: Answer, key: ApiKey) -> bytes:
    """Return the body: `h` first, `status` last, then an empty line.

    Clients split on CRLF and one wants the last line ended too. ValueError when an echoed text
    would add a line of its own: the parser has refused such requests long before.
    """
    status, time_us, otp, nonce, sync_level, clock, session, use = answer
    time = _time(time_us)
    # Two texts grow side by side: the lines in the reference's order, and the signed line,
    # whose names are sorted: nonce, otp, sessioncounter, sessionuse, sl, status, t, timestamp.
    lines = f"\r\nt={time}\r\n"
    signed = ""
    if otp is not None:
        lines += f"otp={otp}\r\n"
        signed = f"otp={otp}&"
    if nonce is not None:
        lines += f"nonce={nonce}\r\n"
        signed = f"nonce={nonce}&{signed}"
    if not signed.isprintable():
        raise ValueError("an echoed OTP or nonce holds a line break or a control character")
    if sync_level is not None:
        lines += f"sl={sync_level}\r\n"
    if clock is not None:
        lines += f"timestamp={clock}\r\n"
    if session is not None:
        lines += f"sessioncounter={session}\r\n"
        signed += f"sessioncounter={session}&"
    if use is not None:
        lines += f"sessionuse={use}\r\n"
        signed += f"sessionuse={use}&"
    if sync_level is not None:
        signed += f"sl={sync_level}&"
    signed += "status=" + status + "&t=" + time
    if clock is not None:
        signed += f"&timestamp={clock}"
    signature = key.sign(signed.encode("ascii"))
    return ("h=" + signature + lines + "status=" + status + "\r\n\r\n").encode("ascii")


def parse(body: bytes, key: ApiKey) -> Answer:
    """Read an answer as a careful client does; ForgedAnswerError for anything but `compose`'s.

    The time comes back in whole milliseconds.
    """
    try:
        text = body.decode("ascii")
        fields = dict(line.split("=", 1) for line in text.removesuffix("\r\n\r\n").split("\r\n"))
        numbers = [
            int(fields[name]) if name in fields else None
            for name in ("sl", "timestamp", "sessioncounter", "sessionuse")
        ]
        day_and_time, _, millis = fields["t"].partition("Z")
        moment = datetime.fromisoformat(day_and_time + "+00:00")
        answer = Answer(
            Status(fields["status"]),
            int(moment.timestamp()) * _SECOND_US + int(millis) * 1000,
            fields.get("otp"),
            fields.get("nonce"),
            *numbers,
        )
        genuine = compose(answer, key) == body
    except (ValueError, KeyError, OverflowError):
        genuine = False
    if not genuine:
        raise ForgedAnswerError("not an answer signed with this API key")
    return answer
