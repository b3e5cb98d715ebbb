"""What a prober can be told: a TOML file of its own, for it runs on a host of its own.

Secrets are files that it names. Relative names are beside the configuration file.
"""

from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from server.address import Address
from server.configfile import load_as
from server.probing.hosts import admit, canonical
from server.probing.standing import FAILING_AFTER

NOTICED_WITHIN_S = 90.0
"""What the prober promises: no more between the service's death and an open incident."""

JITTER = 0.1
"""How much earlier or later than the interval a round may begin, as a part of it."""

ANSWER_WITHIN_S = 5.0
"""How long the server's admin door may take, before it counts as away."""


def _address(text: str) -> str:
    Address.parse(text)
    return text


def _link(text: str) -> str:
    if not text:
        return text
    parts = urlsplit(text)
    is_here = parts.hostname in {"localhost", "127.0.0.1", "::1"}
    if parts.scheme != "https" and not (parts.scheme == "http" and is_here):
        raise ValueError("write https://HOST: a link is a key")
    if not parts.hostname or parts.query or parts.fragment or parts.username is not None:
        raise ValueError("write https://HOST, with a path at most")
    return text


def _tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


class _Section(BaseModel):
    """A table of the file: unknown keys are refused, values keep their type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


class ServerDoor(_Section):
    """Where the server's admin door is: its Unix socket on this host, or HTTPS with a token."""

    socket: Annotated[
        str | None,
        Field(
            description="the admin socket in the server's data directory, on the same host",
            examples=["/var/lib/keystead/run/admin.sock"],
        ),
    ] = None
    url: Annotated[
        str | None,
        Field(
            description="the server's admin door over HTTPS",
            examples=["https://otp.example.org:8443"],
        ),
    ] = None
    token_file: Annotated[
        str | None,
        Field(
            description="a file of mode 0600 with the token of an operator of the role prober",
            examples=["/etc/keystead-probe/token"],
        ),
    ] = None
    ca: Annotated[
        str | None,
        Field(
            description="a PEM file: the authority of that door's certificate",
            examples=["/etc/keystead-probe/ca.pem"],
        ),
    ] = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.socket is None) == (self.url is None):
            raise ValueError("name either the socket or the url of the server's admin door")
        if (self.url is None) != (self.token_file is None):
            raise ValueError("url and token_file belong together")
        return self


class ProbeConfig(_Section):
    """All of the file."""

    url: Annotated[
        str,
        Field(
            description="the service to probe, without a path",
            examples=["https://otp.example.org"],
        ),
    ]
    allowed_hosts: Annotated[
        tuple[str, ...],
        BeforeValidator(_tuple),
        Field(
            description="the hosts that may be probed; the url's is among them",
            examples=[["otp.example.org"]],
        ),
    ]
    client: Annotated[
        int, Field(ge=1, le=10**18 - 1, description="the prober's own Client ID", examples=[7])
    ]
    api_key: Annotated[
        str, Field(description="a file of mode 0600: that client's API key", examples=["api.key"])
    ] = "api.key"
    virtual_key: Annotated[
        str,
        Field(
            description="a file of mode 0600: the virtual YubiKey and its counters",
            examples=["virtual-key"],
        ),
    ] = "virtual-key"
    spool: Annotated[
        str,
        Field(
            description="the directory that what was found waits in for the server",
            examples=["/var/lib/keystead-probe"],
        ),
    ] = "spool"
    listen: Annotated[
        str,
        AfterValidator(_address),
        Field(
            description="where /metrics, /status and acknowledgements are",
            examples=["127.0.0.1:8082"],
        ),
    ] = "127.0.0.1:8082"
    interval_seconds: Annotated[
        float,
        Field(ge=0.2, le=40, description="between the beginnings of rounds", examples=[30.0]),
    ] = 30.0
    deadline_seconds: Annotated[
        float, Field(gt=0, le=20, description="the longest an answer may take", examples=[5.0])
    ] = 5.0
    spooled_findings: Annotated[
        int,
        Field(
            ge=1_000,
            le=10_000_000,
            description="findings that may wait for the server; 2,880 a day",
            examples=[100_000],
        ),
    ] = 100_000
    ca: Annotated[
        str | None,
        Field(
            description="a PEM file: the authority of the service's certificate",
            examples=["/etc/keystead-probe/ca.pem"],
        ),
    ] = None
    board: Annotated[
        str | None,
        Field(
            description="the notice board: a copy of the server's, for the time when that is away",
            examples=["/etc/keystead-probe/notices.toml"],
        ),
    ] = None
    link: Annotated[
        str,
        AfterValidator(_link),
        Field(
            description="where people reach this prober's listener; messages have no links without",
            examples=["https://prober.example.org"],
        ),
    ] = ""
    service: Annotated[
        str,
        Field(
            min_length=1,
            max_length=80,
            description="what the service is called on the pages",
            examples=["OTP validation"],
        ),
    ] = "OTP validation"
    status_directory: Annotated[
        str | None,
        Field(
            description="a directory to write the status pages to, for a web server",
            examples=["/var/www/status"],
        ),
    ] = None
    server: ServerDoor

    @model_validator(mode="after")
    def _admitted(self) -> Self:
        for host in self.allowed_hosts:
            canonical(host)
        admit(self.url, self.allowed_hosts)
        return self

    @model_validator(mode="after")
    def _in_time(self) -> Self:
        rounds_s = FAILING_AFTER * self.interval_seconds * (1 + JITTER)
        worst_s = rounds_s + self.deadline_seconds + ANSWER_WITHIN_S
        if worst_s > NOTICED_WITHIN_S:
            raise ValueError(
                f"with this interval and deadline an outage is noticed after {worst_s:.0f} s, which"
                f" is more than {NOTICED_WITHIN_S:.0f}: make interval_seconds or deadline_seconds"
                " smaller"
            )
        return self


def read_config(file: Path) -> ProbeConfig:
    """Read the file; ConfigError."""
    return load_as(ProbeConfig, file, when_absent="Make one with: keystead probe init")
