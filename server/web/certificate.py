"""The certificate in service: replaced while connections go on, never by a worse one.

A connection keeps what it began with; a new one gets the newest that was good. New files are
found by looking at them each minute, or at once when somebody says so (SIGHUP).
"""

import asyncio
from typing import Self

import structlog

from server import tls
from server.clock import Clock
from server.metrics.tally import Tally
from server.tlsfiles import Handed, Stamp, TlsError, TlsFiles, stamp

LOOK_EVERY_S = 60.0

SETTLED_S = 2.0
"""Files that are being replaced stay like this for so long before they are read: a renewal writes
the certificate first and the key a moment later."""

_log = structlog.stdlib.get_logger(__name__)


class ServedCertificate:
    """What a listener shows to who connects. Made by `read`."""

    def __init__(
        self,
        files: TlsFiles,
        credentials: tls.Credentials,
        *,
        seen: Stamp,
        clock: Clock,
        tally: Tally,
    ) -> None:
        self.files = files
        self._credentials = credentials
        self._clock = clock
        self._tally = tally
        self._seen = seen
        self._take(credentials, seen)

    @classmethod
    def read(
        cls, files: TlsFiles, *, clock: Clock, tally: Tally, handed: Handed | None = None
    ) -> Self:
        """Read the files for the first time; TlsError.

        handed: what the service shows already is taken instead; newer files are found by looking.
        """
        seen = stamp(files) if handed is None else handed.seen
        if handed is None:
            credentials = tls.load(files, now_s=clock.now_us() / 1e6)
        else:
            credentials = tls.restore(files, handed.pem)
        return cls(files, credentials, seen=seen, clock=clock, tally=tally)

    @property
    def credentials(self) -> tls.Credentials:
        """What the next connection gets."""
        return self._credentials

    @property
    def handed(self) -> Handed:
        """What another process needs to show the same certificate."""
        return Handed(self._credentials.pem, self._good)

    async def reload(self) -> bool:
        """Read the files again; what is no good is refused, told and counted. Never raises."""
        seen = stamp(self.files)
        try:
            fresh = await asyncio.to_thread(
                tls.load,
                self.files,
                now_s=self._clock.now_us() / 1e6,
                in_service=self._credentials.certificate.fingerprint,
            )
        except TlsError as error:
            self._refuse(str(error))
            return False
        except Exception as fault:  # noqa: BLE001 - what serves must go on, whatever a file does
            self._refuse(f"a fault nobody foresaw: {type(fault).__name__}")
            return False
        finally:
            self._seen = seen
        self._take(fresh, seen)
        return True

    async def watch(self, every_s: float = LOOK_EVERY_S, settled_s: float = SETTLED_S) -> None:
        """Look at the files until cancelled, and reload when they were replaced."""
        while True:
            await asyncio.sleep(every_s)
            while (now := await asyncio.to_thread(stamp, self.files)) != self._seen:
                await asyncio.sleep(settled_s)
                if await asyncio.to_thread(stamp, self.files) == now:
                    await self.reload()

    def _take(self, fresh: tls.Credentials, seen: Stamp) -> None:
        self._credentials, self._good = fresh, seen
        certificate = fresh.certificate
        self._tally.certificate(certificate.expires_at)
        days = certificate.days_left(self._clock.now_us() / 1e6)
        is_soon = days < tls.SOON_DAYS
        say = _log.warning if is_soon else _log.info
        say(
            "tls_certificate_expires_soon" if is_soon else "tls_certificate_in_service",
            certificate=str(self.files.certificate),
            names=list(certificate.names),
            expires=certificate.expires,
            days=days,
        )

    def _refuse(self, error: str) -> None:
        self._tally.certificate_refused()
        certificate = self._credentials.certificate
        _log.error(
            "tls_reload_refused",
            error=error,
            in_service_until=certificate.expires,
            names=list(certificate.names),
        )
