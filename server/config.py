"""What an operator can set, all of it: the sections, and what must hold between them.

`configfile` reads the file. The sections are in `server.settings`.
"""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from server.settings.doors import Admin, Http, Listen, Tls
from server.settings.fleet import Fleet
from server.settings.keeping import STRICT_WORKERS, Backup, Hsm, Store
from server.settings.kinds import Section
from server.settings.promises import Incidents, Ledger, Maintenance, Notices, StatusPage, Uptime
from server.settings.validating import Limits, Usage, Verify
from server.tlsfiles import TlsFiles


class Log(Section):
    """What is written to standard error, as JSON lines."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Field(description="the least severe lines that are written", examples=["info"]),
    ] = "info"


class Config(Section):
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

    @property
    def verifies_apart(self) -> bool:
        """Whether verifications have processes of their own.

        Where laptops report, also with one worker: a batch of reports would keep the event loop
        they share. Not on SQLite, where they would wait for that process all the same: its one
        writer is there (docs/performance.md has what either costs).
        """
        reports_beside = self.listen.fleet_address is not None and not self.store.is_sqlite
        return self.workers > 1 or reports_beside

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
    def fleet_files(self) -> TlsFiles | None:
        """The certificate of the agents' door: agents show none, whatever clients have to."""
        files = self.tls.files
        return None if files is None else files._replace(client_ca=None)

    @property
    def status_url(self) -> str:
        """Where the status page is, without a slash at its end."""
        if self.status.url is not None:
            return self.status.url
        scheme = "http" if self.tls.files is None else "https"
        return f"{scheme}://{self.listen.verify}/status"
