"""The reference server's files, as tests make them: keys with counters, and clients."""

import base64
import secrets
from collections.abc import Sequence
from typing import NamedTuple

from validation import modhex
from validation.virtual import VirtualYubiKey


class ReferenceKey:
    """A key of the reference server that was used up to some counters."""

    def __init__(self, public_id: str | None = None, *, session: int = 7, use: int = 3) -> None:
        self.public_id = public_id or modhex.encode(secrets.token_bytes(6))
        self.private_id, self.aes_key = secrets.token_bytes(6), secrets.token_bytes(16)
        self.session, self.use = session, use

    @property
    def key_line(self) -> str:
        return (
            f"4711,{self.public_id},{self.private_id.hex()},{self.aes_key.hex()},"
            "000000000000,2020-01-01T00:00:00,\n"
        )

    def counter_line(self, *, active: int = 1) -> str:
        return (
            f"{active},1359470658,1700000000,{self.public_id},{self.session},{self.use},"
            f"32729,4,{'n' * 32},\n"
        )

    def otp(self, session: int, use: int) -> str:
        """Return the OTP with these counters, as often as it is asked for."""
        key = VirtualYubiKey(
            self.public_id, self.private_id, self.aes_key, session=session, use=use
        )
        return key.press(4711)

    def last_otp(self) -> str:
        """Return the OTP that was accepted last."""
        return self.otp(self.session, self.use)

    def next_otp(self) -> str:
        """Return one that was not used yet."""
        return self.otp(self.session + 1, 0)


class ReferenceClient(NamedTuple):
    """A client of the reference server."""

    client_id: int
    secret: bytes
    active: int = 1
    email: str = "someone@example.com"
    notes: str = ""

    @classmethod
    def new(cls, client_id: int) -> "ReferenceClient":
        return cls(client_id, secrets.token_bytes(20))

    @property
    def api_key(self) -> str:
        return base64.b64encode(self.secret).decode()

    @property
    def line(self) -> str:
        return (
            f"{self.client_id},{self.active},1359550387,{self.api_key},{self.email},{self.notes},"
            "cccccccccccbubfncnklbknnkrfvfkbubftlfliikdrt\n"
        )


def key_file(keys: Sequence[ReferenceKey]) -> str:
    return "# ykksm 1\n# serialnr,identity,internaluid,aeskey,lockpw,created,accessed\n" + "".join(
        key.key_line for key in keys
    )


def counter_file(keys: Sequence[ReferenceKey]) -> str:
    return "".join(key.counter_line() for key in keys)


def client_file(clients: Sequence[ReferenceClient]) -> str:
    return "".join(client.line for client in clients)
