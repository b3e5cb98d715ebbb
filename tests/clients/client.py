"""What a relying party's client looks like to these tests: one OTP in, one answer out."""

from typing import NamedTuple, Protocol


class Answer(NamedTuple):
    """What the client made of the service's answer.

    accepted: it would let the user in. said: its own words, for a failing test's message.
    """

    accepted: bool
    said: str


class Client(Protocol):
    """A client that nobody here wrote, seen through the one question it answers."""

    name: str

    def verify(self, url: str, client_id: int, api_key: str, otp: str) -> Answer:
        """Ask the service at `url` (scheme, host and port) whether `otp` is good.

        api_key: base64, as the service gave it out. Skips when the client is not installed.
        """
        ...
