"""What the reference's key storage module answers: the counters inside an OTP, or why not.

For people who keep a front end of their own. Nothing is counted and nothing is consumed: the
one who asks has to compare the counters, and to be trusted with them.
"""

from hsm.vault import VaultError
from server.otp.opener import OtpOpener
from server.otp.ports import StoreError
from validation.otp import MalformedOtpError, parse_otp

NO_OTP = "ERR No OTP provided"
MALFORMED = "ERR Invalid OTP format"
UNKNOWN = "ERR Unknown yubikey"
CORRUPT = "ERR Corrupt OTP"
UNAVAILABLE = "ERR Database error"


class Decrypter:
    """Answers in the reference's words."""

    def __init__(self, opener: OtpOpener) -> None:
        self._opener = opener

    async def answer(self, text: str) -> str:
        """Return one line without its end."""
        if not text:
            return NO_OTP
        try:
            opened = await self._opener.open(parse_otp(text))
        except MalformedOtpError:
            return MALFORMED
        except (StoreError, VaultError):
            return UNAVAILABLE
        if opened.fields is None:
            return CORRUPT if opened.version else UNKNOWN
        _, session, clock, use, _ = opened.fields
        low, high = clock & 0xFFFF, clock >> 16
        return f"OK counter={session:04x} low={low:04x} high={high:04x} use={use:02x}"
