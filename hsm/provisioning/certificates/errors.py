"""Why no certificate was issued."""

from hsm.vault import VaultError


class IssuingError(VaultError):
    """The issuer cannot issue: its key, its certificate, its profile or its HSM is not right."""


class RequestRefusedError(ValueError):
    """A request asks for what it does not get. The message says what, and what to do."""
