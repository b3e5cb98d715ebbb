"""What is kept and how it is sealed: the store, the HSM, backups."""

from typing import Annotated, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from server.settings.kinds import Section, absolute_path, as_tuple


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


class Store(Section):
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


def _hsm(text: str) -> str:
    # The whole form is judged when the device is opened: its library takes time to load.
    if not text.startswith(("http://", "http+unix:///", "usb:")):
        raise ValueError(
            "write http://HOST:PORT of a connector, http+unix:///PATH of its socket, or usb:SERIAL"
        )
    return text


class Hsm(Section):
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
        BeforeValidator(as_tuple),
        Field(
            description="YubiHSM 2 devices with the same keys, at http://HOST:PORT of a connector,"
            " http+unix:///PATH or usb:SERIAL; none: the emulator in the data directory",
            examples=[["http://127.0.0.1:12345"]],
        ),
    ] = ()
    manifest: Annotated[
        str | None,
        AfterValidator(absolute_path),
        Field(
            description="a TOML file: the manifest that the devices were made after, if it is not"
            " the one that comes with Keystead",
            examples=["/etc/keystead/hsm.toml"],
        ),
    ] = None
    authorities: Annotated[
        str | None,
        AfterValidator(absolute_path),
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


def _recipient(text: str) -> str:
    if not text.startswith("age1"):
        # A typing error is found when the backup is made; a secret in this file is found now.
        raise ValueError("a recipient begins with age1; the identity belongs into a file")
    return text


class Backup(Section):
    """What is kept for the day the store is lost."""

    counter_journal: Annotated[
        str | None,
        AfterValidator(absolute_path),
        Field(
            description="directory, on another disk than the store, that what was accepted is"
            " journaled in; leave the line out for none",
            examples=["/var/lib/keystead-counters"],
        ),
    ] = None
    recipients: Annotated[
        tuple[Annotated[str, AfterValidator(_recipient)], ...],
        BeforeValidator(as_tuple),
        Field(
            description="age recipients that backups are encrypted to (`keystead backup key`)",
            examples=[["age1..."]],
        ),
    ] = ()
