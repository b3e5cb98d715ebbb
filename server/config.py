"""What an operator can set: frozen, typed, checked on load. `configfile` reads the file.

Every field says what it means and what to write, because the errors quote it. A secret is
never a value here: secrets are files, and the configuration only names them.
"""

import ipaddress
import re
from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from server.address import Address
from server.incidents.components import Component
from server.tlsfiles import TlsFiles
from validation.gcra import UNLIMITED, Policy, Rate


def _address(text: str) -> str:
    Address.parse(text)
    return text


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("write a name like Europe/Stockholm, or UTC") from None
    return text


def _optional_address(text: str | None) -> str | None:
    return None if text is None else _address(text)


def _database(text: str) -> str:
    """Accept "sqlite" or a PostgreSQL URL without a secret in it."""
    if text == "sqlite":
        return text
    parts = urlsplit(text)
    if parts.scheme not in {"postgresql", "postgres"}:
        raise ValueError(
            'write "sqlite" or a URL like postgresql://keystead@db.example.org/keystead'
        )
    parameters = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    if parts.password is not None or "password" in parameters:
        # argv, the environment and this file are read by more eyes than a passfile of mode 0600.
        raise ValueError(
            "a password does not belong in the URL. Put the line HOST:PORT:DATABASE:USER:PASSWORD"
            " into ~/.pgpass (mode 0600), or into another passfile named with"
            " postgresql://user@host/database?passfile=/path/to/passfile"
        )
    return text


def _network(text: str) -> str:
    ipaddress.ip_network(text)
    return text


def _absolute(text: str | None) -> str | None:
    if text is not None and not Path(text).is_absolute():
        raise ValueError("a file is named by its whole path, from / on")
    return text


def _public_key(text: str) -> str:
    if re.fullmatch("[0-9a-f]{64}", text) is None:
        raise ValueError(
            "a public key is written as 64 hexadecimal digits in lower case, as"
            " `keystead fleet advisories keygen` prints them"
        )
    return text


def _recipient(text: str) -> str:
    if not text.startswith("age1"):
        # A typing error is found when the backup is made; a secret in this file is found now.
        raise ValueError("a recipient begins with age1; the identity belongs into a file")
    return text


def _hsm(text: str) -> str:
    # The whole form is judged when the device is opened: its library takes time to load.
    if not text.startswith(("http://", "http+unix:///", "usb:")):
        raise ValueError(
            "write http://HOST:PORT of a connector, http+unix:///PATH of its socket, or usb:SERIAL"
        )
    return text


def _tuple(value: object) -> object:
    """Take the lists that TOML and JSON have for the tuples that a frozen model holds."""
    return tuple(value) if isinstance(value, list) else value


def _one_line(text: str) -> str:
    if not text.isprintable() or text != text.strip():
        raise ValueError("write it in one line of characters that can be shown")
    return text


def _page_url(text: str | None) -> str | None:
    if text is None:
        return None
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("write a whole address, https://HOST/status, without ? or #")
    return text.rstrip("/")


def _each_once(components: tuple[Component, ...]) -> tuple[Component, ...]:
    if len(set(components)) != len(components):
        raise ValueError("name each component once")
    return components


class _Section(BaseModel):
    """A table of the file: unknown keys are refused, values keep their type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, hide_input_in_errors=True)


class Listen(_Section):
    """The doors: for clients, for the operator's monitoring and, when wanted, for operators."""

    verify: Annotated[
        str,
        AfterValidator(_address),
        Field(description="where clients validate", examples=["127.0.0.1:8080"]),
    ] = "127.0.0.1:8080"
    ops: Annotated[
        str,
        AfterValidator(_address),
        Field(
            description="where /metrics, /healthz and /readyz are served",
            examples=["127.0.0.1:8081"],
        ),
    ] = "127.0.0.1:8081"
    admin: Annotated[
        str | None,
        AfterValidator(_optional_address),
        Field(
            description="where operators administer over HTTPS, with tokens; not without this line",
            examples=["127.0.0.1:8443"],
        ),
    ] = None

    fleet: Annotated[
        str | None,
        AfterValidator(_optional_address),
        Field(
            description="where endpoint agents enrol and report; not without this line",
            examples=["127.0.0.1:8082"],
        ),
    ] = None

    @property
    def verify_address(self) -> Address:
        """The verification door's address, parsed."""
        return Address.parse(self.verify)

    @property
    def ops_address(self) -> Address:
        """The operations door's address, parsed."""
        return Address.parse(self.ops)

    @property
    def admin_address(self) -> Address | None:
        """The admin door's address, parsed; None: there is no such door."""
        return None if self.admin is None else Address.parse(self.admin)

    @property
    def fleet_address(self) -> Address | None:
        """The address for agents, parsed; None: there is no such door."""
        return None if self.fleet is None else Address.parse(self.fleet)


class Tls(_Section):
    """TLS on the verification door: without these files it speaks plain HTTP."""

    certificate: Annotated[
        str | None,
        AfterValidator(_absolute),
        Field(
            description="a PEM file: the certificate of the verification door, then its chain",
            examples=["/etc/keystead/tls/fullchain.pem"],
        ),
    ] = None
    key: Annotated[
        str | None,
        AfterValidator(_absolute),
        Field(
            description="a PEM file: the certificate's private key, which only its owner can read",
            examples=["/etc/keystead/tls/privkey.pem"],
        ),
    ] = None
    client_ca: Annotated[
        str | None,
        AfterValidator(_absolute),
        Field(
            description="a PEM file: authorities; clients must show a certificate of theirs",
            examples=["/etc/keystead/tls/clients.pem"],
        ),
    ] = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("a certificate and its key belong together: name both files, or none")
        if self.client_ca is not None and self.certificate is None:
            raise ValueError("client_ca needs certificate and key beside it")
        return self

    @property
    def files(self) -> TlsFiles | None:
        """The files, None for plain HTTP."""
        if self.certificate is None or self.key is None:
            return None
        authorities = None if self.client_ca is None else Path(self.client_ca)
        return TlsFiles(Path(self.certificate), Path(self.key), authorities)


class Admin(_Section):
    """The admin door over HTTPS (listen.admin)."""

    certificate: Annotated[
        str | None,
        AfterValidator(_absolute),
        Field(
            description="a PEM file: the admin door's certificate and chain; that of `tls` without",
            examples=["/etc/keystead/tls/admin-fullchain.pem"],
        ),
    ] = None
    key: Annotated[
        str | None,
        AfterValidator(_absolute),
        Field(
            description="a PEM file: that certificate's private key",
            examples=["/etc/keystead/tls/admin-privkey.pem"],
        ),
    ] = None
    wrong_tokens: Annotated[
        int,
        Field(ge=1, le=1000, description="wrong tokens from one address at once", examples=[10]),
    ] = 10
    lockout_seconds: Annotated[
        float,
        Field(
            ge=1,
            le=86_400,
            description="an address with more wrong tokens than that is refused",
            examples=[900.0],
        ),
    ] = 900.0

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("a certificate and its key belong together: name both files, or none")
        return self


class Store(_Section):
    """Where counters, keys, clients and budgets live."""

    database: Annotated[
        str,
        AfterValidator(_database),
        Field(
            description='"sqlite" (a file in the data directory) or a PostgreSQL URL',
            examples=["sqlite"],
        ),
    ] = "sqlite"
    replicas: Annotated[
        int,
        Field(ge=0, le=100, description="PostgreSQL standbys that are configured", examples=[2]),
    ] = 0
    commit_waits_for: Annotated[
        int,
        Field(
            ge=0,
            le=100,
            description="how many of the standbys a commit waits for (synchronous_standby_names)",
            examples=[1],
        ),
    ] = 0
    cache_mib: Annotated[
        int,
        Field(
            ge=2,
            le=65_536,
            description="MiB of counters the embedded store keeps in memory (100 a million keys)",
            examples=[128],
        ),
    ] = 128

    @property
    def is_sqlite(self) -> bool:
        """Whether the embedded store is used."""
        return self.database == "sqlite"

    @property
    def sync_level(self) -> int:
        """What an OK guarantees, 0-100: `100 k/n`, and 100 for one database by definition."""
        if self.replicas == 0:
            return 100
        return 100 * self.commit_waits_for // self.replicas


STRICT_WORKERS = 5
"""A device has sixteen sessions, and keeps one whose owner was killed for thirty seconds.

Workers and the control process hold one each. All killed at once, their successors need as many
beside those: twice six. Four are left for auditor, unsealer, identity and provisioner.
"""


class Hsm(_Section):
    """Where the keys are. Without connectors: in the emulator that `keystead init` made."""

    mode: Annotated[
        Literal["sealed", "strict"],
        Field(
            description='"sealed": the HSM gives its data keys out when the service starts;'
            ' "strict": every OTP is opened inside the HSM',
            examples=["sealed"],
        ),
    ] = "sealed"
    connectors: Annotated[
        tuple[Annotated[str, AfterValidator(_hsm)], ...],
        BeforeValidator(_tuple),
        Field(
            description="YubiHSM 2 devices with the same keys, at http://HOST:PORT of a connector,"
            " http+unix:///PATH or usb:SERIAL; none: the emulator in the data directory",
            examples=[["http://127.0.0.1:12345"]],
        ),
    ] = ()
    manifest: Annotated[
        str | None,
        AfterValidator(_absolute),
        Field(
            description="a TOML file: the manifest that the devices were made after, if it is not"
            " the one that comes with Keystead",
            examples=["/etc/keystead/hsm.toml"],
        ),
    ] = None
    authorities: Annotated[
        str | None,
        AfterValidator(_absolute),
        Field(
            description="a PEM file: certificates of Yubico's between a device's own and Yubico's"
            " root, as Yubico publishes them",
            examples=["/etc/keystead/yubihsm-authorities.pem"],
        ),
    ] = None
    deadline_seconds: Annotated[
        float,
        Field(gt=0, le=30, description="the longest a device may take for one OTP", examples=[1.0]),
    ] = 1.0

    @property
    def is_embedded(self) -> bool:
        """Whether the emulator in the data directory is used."""
        return not self.connectors


class Verify(_Section):
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


class Limits(_Section):
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
        BeforeValidator(_tuple),
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


class Log(_Section):
    """What is written to standard error, as JSON lines."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Field(description="the least severe lines that are written", examples=["info"]),
    ] = "info"


class Http(_Section):
    """Deadlines and caps on what strangers send."""

    handshake_seconds: Annotated[
        float, Field(gt=0, le=60, description="to finish a TLS handshake", examples=[5.0])
    ] = 5.0
    header_seconds: Annotated[
        float, Field(gt=0, le=60, description="to send a request's head", examples=[5.0])
    ] = 5.0
    body_seconds: Annotated[
        float, Field(gt=0, le=60, description="to send a form body", examples=[5.0])
    ] = 5.0
    idle_seconds: Annotated[
        float, Field(gt=0, le=600, description="an idle connection stays open", examples=[30.0])
    ] = 30.0
    write_seconds: Annotated[
        float, Field(gt=0, le=60, description="to take an answer", examples=[10.0])
    ] = 10.0
    connections: Annotated[
        int,
        Field(
            ge=1,
            le=1_000_000,
            description="connections a worker holds before it turns new ones away",
            examples=[4096],
        ),
    ] = 4096
    drain_seconds: Annotated[
        float,
        Field(ge=0, le=300, description="accepted requests may finish at a stop", examples=[10.0]),
    ] = 10.0


class Backup(_Section):
    """What is kept for the day the store is lost."""

    counter_journal: Annotated[
        str | None,
        AfterValidator(_absolute),
        Field(
            description="directory, on another disk than the store, that what was accepted is"
            " journaled in; leave the line out for none",
            examples=["/var/lib/keystead-counters"],
        ),
    ] = None
    recipients: Annotated[
        tuple[Annotated[str, AfterValidator(_recipient)], ...],
        BeforeValidator(_tuple),
        Field(
            description="age recipients that backups are encrypted to (`keystead backup key`)",
            examples=[["age1..."]],
        ),
    ] = ()


class Maintenance(_Section):
    """When announced maintenance is left out of availability."""

    notice_seconds: Annotated[
        int,
        Field(
            ge=0,
            le=31 * 86_400,
            description="maintenance counts if it was announced more than so long before its start",
            examples=[259_200],
        ),
    ] = 0


class Incidents(_Section):
    """By which calendar the clocks of incidents are reckoned (Priority Support Schedule)."""

    entity: Annotated[
        Literal["inc", "ab"],
        Field(
            description='whom plans are with: "inc" (California) or "ab" (Stockholm)',
            examples=["ab"],
        ),
    ] = "inc"
    calendar: Annotated[
        Literal["", "us-federal", "us-federal-unobserved", "us-ca", "se-public", "se-de-facto"],
        Field(
            description='whose public holidays are no Business Days; "": the entity\'s own',
            examples=["se-de-facto"],
        ),
    ] = ""
    reading: Annotated[
        Literal["elapsed", "end-of-day"],
        Field(
            description="what a Business Day of a response is: twelve Business Hours gone by, or"
            " the close of the next Business Day",
            examples=["elapsed"],
        ),
    ] = "elapsed"
    rules: Annotated[
        tuple[Literal["probe", "burn-rate", "lost-redundancy", "hsm-alarm"], ...],
        BeforeValidator(_tuple),
        Field(
            description="which rules open incidents by themselves",
            examples=[["probe", "hsm-alarm"]],
        ),
    ] = ("probe", "burn-rate", "lost-redundancy", "hsm-alarm")
    regulatory: Annotated[
        tuple[Literal["nis2", "dora"], ...],
        BeforeValidator(_tuple),
        Field(
            description="authorities' clocks that run once a person says that an incident has to be"
            " reported there",
            examples=[["nis2"]],
        ),
    ] = ()


class Notices(_Section):
    """Who is called and told: the notice board is a file of its own."""

    file: Annotated[
        str | None,
        AfterValidator(_absolute),
        Field(
            description="a TOML file: who is on call, who is told, and by which ways; nobody is"
            " told anything without this line",
            examples=["/etc/keystead/notices.toml"],
        ),
    ] = None
    kept_days: Annotated[
        int,
        Field(
            ge=30,
            le=36_500,
            description="what was told is kept so long, with addresses; that it was told, for good",
            examples=[400],
        ),
    ] = 400


class Usage(_Section):
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
        BeforeValidator(_tuple),
        Field(
            description="Client IDs that are no customers (probers): left out of totals",
            examples=[[7]],
        ),
    ] = ()


class StatusPage(_Section):
    """What the status page at /status shows, and where it says it is."""

    name: Annotated[
        str,
        AfterValidator(_one_line),
        Field(
            min_length=1,
            max_length=60,
            description="what the service is called on the status page",
            examples=["Example OTP"],
        ),
    ] = "OTP service"
    url: Annotated[
        str | None,
        AfterValidator(_page_url),
        Field(
            description="where everybody finds the status page: links in feeds and JSON begin with"
            " it; the verification door's address when it is not set",
            examples=["https://otp.example.org/status"],
        ),
    ] = None
    components: Annotated[
        tuple[Annotated[Component, Field(strict=False)], ...],
        BeforeValidator(_tuple),
        AfterValidator(_each_once),
        Field(
            min_length=1,
            description="what is shown, in this order: validation, upload, api-keys, provisioning",
            examples=[["validation", "upload"]],
        ),
    ] = (Component.VALIDATION,)
    term_begins: Annotated[
        date,
        Field(
            strict=False,
            description="a first day of the term whose availability is shown; a term has twelve"
            " months, and the next one follows",
            examples=["2026-03-01"],
        ),
    ] = date(2026, 1, 1)


class Uptime(_Section):
    """How the contractual availability is counted."""

    min_requests: Annotated[
        int,
        Field(
            ge=1,
            le=1_000_000,
            description="a minute with fewer requests takes the probes' result",
            examples=[5],
        ),
    ] = 1
    zone: Annotated[
        str,
        AfterValidator(_zone),
        Field(description="on whose wall months and quarters begin", examples=["Europe/Stockholm"]),
    ] = "UTC"
    kept_days: Annotated[
        int,
        Field(
            ge=400,
            le=36_500,
            description="rolled-up minutes older than this are removed",
            examples=[3_660],
        ),
    ] = 3_660


class Ledger(_Section):
    """How long payloads that may name people are kept; figures, and the chain, stay for good."""

    incidents_days: Annotated[
        int,
        Field(
            ge=400,
            le=36_500,
            description="steps of incidents: erased after so long",
            examples=[3_660],
        ),
    ] = 3_660
    notices_days: Annotated[
        int,
        Field(
            ge=400,
            le=36_500,
            description="that somebody was told: erased after so long",
            examples=[3_660],
        ),
    ] = 3_660
    reports_days: Annotated[
        int,
        Field(
            ge=400,
            le=36_500,
            description="published reports: erased after so long",
            examples=[3_660],
        ),
    ] = 3_660


class Fleet(_Section):
    """What endpoint agents are asked to report. Their door has the certificate of [tls]."""

    serial: Annotated[
        Literal["hash", "plain"],
        Field(
            description='how keys are named: "hash" (with a key that agents get) or "plain"',
            examples=["hash"],
        ),
    ] = "hash"
    attached: Annotated[
        bool,
        Field(
            description="also report whether a key is attached now: working hours are in that",
            examples=[False],
        ),
    ] = False
    certificate_names: Annotated[
        bool,
        Field(
            description="report subject, issuer and serial number of PIV certificates",
            examples=[False],
        ),
    ] = False
    openpgp_fingerprints: Annotated[
        bool, Field(description="report fingerprints of OpenPGP keys", examples=[False])
    ] = False
    interval_seconds: Annotated[
        int, Field(ge=60, le=86_400, description="agents report at least so often", examples=[3600])
    ] = 3600
    advisory_keys: Annotated[
        tuple[Annotated[str, AfterValidator(_public_key)], ...],
        BeforeValidator(_tuple),
        Field(
            description="public keys (64 hexadecimal digits each) of whoever signs files of"
            " advisories that are loaded",
            examples=[["9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"]],
        ),
    ] = ()
    health_rules: Annotated[
        str | None,
        AfterValidator(_absolute),
        Field(
            description="a TOML or JSON file: your own rules of health, and changes to those that"
            " ship",
            examples=["/etc/keystead/health.toml"],
        ),
    ] = None


class Config(_Section):
    """Everything that can be set. The defaults serve on loopback with the embedded store."""

    environment: Annotated[
        Literal["development", "production"],
        Field(description="production refuses sandboxes and stand-ins", examples=["production"]),
    ] = "development"
    workers: Annotated[
        int, Field(ge=1, le=256, description="processes that verify", examples=[1])
    ] = 1
    listen: Listen = Listen()
    tls: Tls = Tls()
    admin: Admin = Admin()
    store: Store = Store()
    hsm: Hsm = Hsm()
    verify: Verify = Verify()
    limits: Limits = Limits()
    log: Log = Log()
    http: Http = Http()
    backup: Backup = Backup()
    maintenance: Maintenance = Maintenance()
    usage: Usage = Usage()
    fleet: Fleet = Fleet()
    ledger: Ledger = Ledger()
    status: StatusPage = StatusPage()
    notices: Notices = Notices()
    incidents: Incidents = Incidents()
    availability: Uptime = Uptime()

    @model_validator(mode="after")
    def _has_sessions(self) -> Self:
        if self.hsm.mode == "strict" and self.workers > STRICT_WORKERS:
            raise ValueError(
                f'hsm.mode = "strict" goes with at most {STRICT_WORKERS} workers: each holds a'
                " session with every HSM, which has sixteen and keeps those of killed workers for"
                " half a minute beside those of their successors"
            )
        return self

    @model_validator(mode="after")
    def _decrypts_for_somebody(self) -> Self:
        if self.verify.decrypt == "mutual-tls" and self.tls.client_ca is None:
            raise ValueError(
                'verify.decrypt = "mutual-tls" needs tls.client_ca: without it nobody shows a'
                " certificate"
            )
        return self

    @model_validator(mode="after")
    def _certified(self) -> Self:
        if self.listen.admin is not None and self.admin_files is None:
            raise ValueError(
                "listen.admin speaks HTTPS only: name certificate and key in [admin] or in [tls]"
            )
        return self

    @property
    def admin_files(self) -> TlsFiles | None:
        """The admin door's certificate: its own, else the verification door's."""
        if self.admin.certificate is not None and self.admin.key is not None:
            return TlsFiles(Path(self.admin.certificate), Path(self.admin.key))
        files = self.tls.files
        return None if files is None else files._replace(client_ca=None)

    @property
    def status_url(self) -> str:
        """Where the status page is, without a slash at its end."""
        if self.status.url is not None:
            return self.status.url
        scheme = "http" if self.tls.files is None else "https"
        return f"{scheme}://{self.listen.verify}/status"
