"""How OTPs are validated, how much of it there is for whom, and what is counted of it."""

import ipaddress
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from server.settings.kinds import Section, as_tuple
from validation.gcra import UNLIMITED, Policy, Rate


class Verify(Section):
    """The verification room."""

    legacy: Annotated[
        bool, Field(description="serve /wsapi/verify of protocol 1 too", examples=[True])
    ] = True
    decrypt: Annotated[
        Literal["off", "loopback", "mutual-tls"],
        Field(
            description='who is answered at /wsapi/decrypt: programs on this machine ("loopback"),'
            ' or whoever shows a certificate of `tls.client_ca` ("mutual-tls")',
            examples=["loopback"],
        ),
    ] = "off"
    deadline_seconds: Annotated[
        float,
        Field(ge=1, le=60, description="the longest a verification may take", examples=[5.0]),
    ] = 5.0
    clients_cached: Annotated[
        int, Field(ge=16, le=10_000_000, description="clients a worker remembers", examples=[10000])
    ] = 10_000
    keys_cached: Annotated[
        int,
        Field(
            ge=16,
            le=10_000_000,
            description="sealed keys a worker remembers (about 200 octets each)",
            examples=[200000],
        ),
    ] = 200_000
    ciphers_cached: Annotated[
        int,
        Field(
            ge=16,
            le=10_000_000,
            description="opened keys a worker remembers (about 1.3 kB each)",
            examples=[4096],
        ),
    ] = 4096
    queue: Annotated[
        int,
        Field(
            ge=1,
            le=100_000,
            description="verifications a worker lets wait for the store before it sheds load",
            examples=[4096],
        ),
    ] = 4096


def _network(text: str) -> str:
    ipaddress.ip_network(text)
    return text


class Limits(Section):
    """Rate limits: sessions per Client ID, requests per source address."""

    rate: Annotated[
        int, Field(ge=1, le=1_000_000, description="sessions per second", examples=[10])
    ] = 10
    burst: Annotated[
        int, Field(ge=1, le=1_000_000, description="sessions at once", examples=[50])
    ] = 50
    per_day: Annotated[
        int | None,
        Field(
            ge=1,
            le=1_000_000_000,
            description="sessions per day; leave the line out for no such limit",
            examples=[100000],
        ),
    ] = None
    source_rate: Annotated[
        int,
        Field(
            ge=1,
            le=1_000_000,
            description="requests per second from one address (loopback is exempt)",
            examples=[1000],
        ),
    ] = 1000
    source_burst: Annotated[
        int,
        Field(ge=1, le=1_000_000, description="requests at once from one address", examples=[2000]),
    ] = 2000
    trusted_proxies: Annotated[
        tuple[Annotated[str, AfterValidator(_network)], ...],
        BeforeValidator(as_tuple),
        Field(
            description="networks whose X-Forwarded-For is believed",
            examples=[["10.0.0.0/8"]],
        ),
    ] = ()

    @property
    def default_policy(self) -> Policy:
        """The policy of a client without a limit of its own."""
        day = UNLIMITED if self.per_day is None else Rate.per_day(self.per_day)
        return Policy(Rate.per_second(self.rate, self.burst), day)

    @property
    def source_policy(self) -> Rate:
        """The rate of a source address."""
        return Rate.per_second(self.source_rate, self.source_burst)


class Usage(Section):
    """What is counted of each client's requests, minute by minute."""

    count: Annotated[
        bool,
        Field(description="count answers per minute and client", examples=[True]),
    ] = True
    kept_days: Annotated[
        int,
        Field(ge=1, le=36_500, description="minutes older than this are removed", examples=[400]),
    ] = 400
    left_out: Annotated[
        tuple[Annotated[int, Field(ge=1, le=10**18 - 1)], ...],
        BeforeValidator(as_tuple),
        Field(
            description="Client IDs that are no customers (probers): left out of totals",
            examples=[[7]],
        ),
    ] = ()
