"""Certificate files: read as a whole, checked, made into what a TLS listener needs.

Whatever is wrong is refused with the file, the line or the reason, and what to do; nothing of
the files' content but a host's name and dates is ever shown. The secret stays in OpenSSL.

TLS 1.2 and 1.3 only, with forward secrecy and authenticated encryption only, without
renegotiation and compression: what Mozilla's "intermediate" recommends, less its DHE.
"""

import math
import os
import re
import ssl
import stat
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from server.tlsfiles import Pem, TlsError, TlsFiles

MAX_FILE_OCTETS = 1 << 20

SOON_DAYS = 21
"""Programs renew about 30 days ahead: a certificate with less left is not being renewed."""

_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:@SECLEVEL=2"
"""For TLS 1.2; those of 1.3 are all good. Level 2: no RSA key below 2048 bits, no SHA-1."""

_BEGIN = re.compile(rb"^-----BEGIN ([A-Z0-9 ]+)-----", re.MULTILINE)


class Certificate(NamedTuple):
    """The server's own certificate. names: hosts and addresses; expires_at: Unix seconds.

    fingerprint: SHA-256 of its DER form, hex.
    """

    names: tuple[str, ...]
    expires_at: int
    fingerprint: str

    @property
    def expires(self) -> str:
        """When it expires, for a person."""
        return _day(datetime.fromtimestamp(self.expires_at, UTC))

    def days_left(self, now_s: float) -> int:
        """Return whole days until it expires, negative ones since it did. now_s: Unix seconds."""
        return math.floor((self.expires_at - now_s) / 86_400)


class Credentials(NamedTuple):
    """What a listener needs of its files. pem: what they held."""

    context: ssl.SSLContext
    certificate: Certificate
    pem: Pem


def load(files: TlsFiles, *, now_s: float, in_service: str = "") -> Credentials:
    """Read and check the files; TlsError.

    now_s: Unix seconds; in_service: fingerprint of the certificate that this service shows
    already. That one is taken although it has expired: there is nothing better.
    """
    pem = Pem(
        _read(files.certificate),
        _read(files.key),
        None if files.client_ca is None else _read(files.client_ca),
    )
    _require_private(files.key)
    credentials, own = _credentials(files, pem)
    if credentials.certificate.fingerprint != in_service:
        _check_dates(files.certificate, own, now_s)
    return credentials


def restore(files: TlsFiles, pem: Pem) -> Credentials:
    """Return what was good when another process of this service loaded it; TlsError.

    Whatever the files are by now and however late it is: a worker that is missing helps nobody.
    """
    return _credentials(files, pem)[0]


def _credentials(files: TlsFiles, pem: Pem) -> tuple[Credentials, x509.Certificate]:
    chain = _chain(files.certificate, pem.certificate)
    _match(files, chain, _private_key(files.key, pem.key))
    own = chain[0].certificate
    return Credentials(_context(files, pem), _describe(own), pem), own


class _Link(NamedTuple):
    """A certificate of a chain and the line its block begins on."""

    certificate: x509.Certificate
    line: int


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            octets = stream.read(MAX_FILE_OCTETS + 1)
    except FileNotFoundError:
        raise TlsError(
            f"{file}: there is no such file. Name the right one, or get a certificate first"
        ) from None
    except OSError as error:
        raise TlsError(
            f"{file}: cannot be read: {error.strerror}. Let the user that the service runs as"
            " read it"
        ) from error
    if len(octets) > MAX_FILE_OCTETS:
        raise TlsError(f"{file}: larger than certificates are (1 MiB). Name the right file")
    return octets


def _blocks(octets: bytes) -> Iterator[tuple[str, int, bytes]]:
    """Yield label, first line and octets of each PEM block."""
    begins = list(_BEGIN.finditer(octets))
    for number, begin in enumerate(begins, 1):
        end = begins[number].start() if number < len(begins) else len(octets)
        line = octets.count(b"\n", 0, begin.start()) + 1
        yield begin[1].decode("ascii"), line, octets[begin.start() : end]


def _chain(file: Path, octets: bytes) -> list[_Link]:
    """Return the certificates of a file, at least one."""
    found: list[_Link] = []
    other = ""
    for label, line, block in _blocks(octets):
        if label not in {"CERTIFICATE", "X509 CERTIFICATE"}:
            other = other or f"{file}:{line}: {label} stands here"
            continue
        try:
            certificate = x509.load_pem_x509_certificate(block)
            certificate.public_key()
        except (ValueError, UnsupportedAlgorithm):
            raise TlsError(
                f"{file}:{line}: the certificate that begins here cannot be read. It was cut"
                " off, altered, or is of an unknown kind: copy the file again"
            ) from None
        found.append(_Link(certificate, line))
    if found:
        return found
    if other:
        raise TlsError(f"{other}, and no certificate. Name the file with the certificate")
    raise TlsError(
        f"{file}: no PEM certificate is in it. Name a file with -----BEGIN CERTIFICATE-----;"
        " from DER make one with: openssl x509 -inform der -in FILE -out FILE.pem"
    )


def _private_key(file: Path, octets: bytes) -> PrivateKeyTypes:
    for label, line, block in _blocks(octets):
        if not label.endswith("PRIVATE KEY"):
            continue
        try:
            return load_pem_private_key(block, password=None)
        except TypeError:
            raise TlsError(
                f"{file}:{line}: the key is encrypted, and nobody is there to type its password"
                " when the service starts. Write it without one (openssl pkey -in FILE -out NEW),"
                " mode 0600"
            ) from None
        except (ValueError, UnsupportedAlgorithm):
            raise TlsError(
                f"{file}:{line}: the private key that begins here cannot be read. It was cut off"
                " or altered: copy the file again"
            ) from None
    raise TlsError(
        f"{file}: no PEM private key is in it. Name the file with -----BEGIN PRIVATE KEY-----"
    )


def _require_private(file: Path) -> None:
    """Refuse a key that others may read. The same rule as PostgreSQL's.

    Root may let a group read what belongs to root: that is how Debian's ssl-cert hands out keys.
    """
    try:
        status = file.stat()
    except OSError as error:
        raise TlsError(f"{file}: {error.strerror}") from error
    allowed = 0o740 if status.st_uid == 0 else 0o700
    if stat.S_IMODE(status.st_mode) & 0o777 & ~allowed:
        more = "" if status.st_uid != 0 else " (or chmod 640, for a group of the service's own)"
        raise TlsError(
            f"{file}: others may read this private key (mode"
            f" {stat.S_IMODE(status.st_mode):04o}). Run: chmod 600 {file}{more}"
        )
    if status.st_uid not in {0, os.geteuid()}:
        raise TlsError(
            f"{file}: the private key belongs to another user, who can replace it. Let it belong"
            " to the user that the service runs as, or to root"
        )


def _public(thing: x509.Certificate | PrivateKeyTypes) -> bytes:
    return thing.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _match(files: TlsFiles, chain: Sequence[_Link], key: PrivateKeyTypes) -> None:
    wanted = _public(key)
    if _public(chain[0].certificate) == wanted:
        return
    for link in chain[1:]:
        if _public(link.certificate) == wanted:
            raise TlsError(
                f"{files.certificate}:{link.line}: this is the certificate of the key, but others"
                " stand before it. Put it first, then the ones that lead to the authority"
            )
    raise TlsError(
        f"{files.key}: not the key of the first certificate in {files.certificate}. Name the two"
        " files that were made together (a renewal that is half done gets this too)"
    )


def _day(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%d %H:%M UTC")


def _check_dates(file: Path, own: x509.Certificate, now_s: float) -> None:
    if own.not_valid_after_utc.timestamp() <= now_s:
        raise TlsError(
            f"{file}: the certificate expired on {_day(own.not_valid_after_utc)}. Renew it;"
            " if it should be good, set this machine's clock"
        )
    if own.not_valid_before_utc.timestamp() > now_s:
        raise TlsError(
            f"{file}: the certificate is good only from {_day(own.not_valid_before_utc)} on. Wait,"
            " or set this machine's clock"
        )


def _describe(own: x509.Certificate) -> Certificate:
    try:
        names = own.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        hosts: tuple[str, ...] = ()
    else:
        hosts = (
            *names.get_values_for_type(x509.DNSName),
            *(str(address) for address in names.get_values_for_type(x509.IPAddress)),
        )
    expires_at = int(own.not_valid_after_utc.timestamp())
    return Certificate(hosts, expires_at, own.fingerprint(SHA256()).hex())


def _no_password() -> str:
    """Answer OpenSSL, which would ask on the terminal for the password of a key."""
    raise TlsError("the key is encrypted")


@contextmanager
def _readable(octets: bytes) -> Iterator[str]:
    """Yield a path that octets are read from, once: OpenSSL takes a key from a file only.

    It is a pipe, so that nothing is written to a disk, and OpenSSL gets exactly what was checked.
    """
    reading, writing = os.pipe()
    writer = threading.Thread(target=_pour, args=(writing, octets))
    writer.start()
    try:
        yield f"/dev/fd/{reading}"
    finally:
        os.close(reading)  # whoever still writes ends by that
        writer.join()


def _pour(writing: int, octets: bytes) -> None:
    with suppress(BrokenPipeError), os.fdopen(writing, "wb") as stream:
        stream.write(octets)


def _context(files: TlsFiles, pem: Pem) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_ciphers(_CIPHERS)
    context.set_alpn_protocols(["http/1.1"])
    try:
        with _readable(pem.certificate) as certificate, _readable(pem.key) as key:
            context.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ValueError) as error:
        raise TlsError(
            f"{files.certificate}, {files.key}: OpenSSL refuses them ({_reason(error)}). When a key"
            " is too small, get a certificate with an RSA key of 2048 bits or more, or one of curve"
            " P-256; else copy both files again"
        ) from None
    if files.client_ca is not None:
        _require_client_certificates(context, files.client_ca, pem.client_ca or b"")
    return context


def _require_client_certificates(context: ssl.SSLContext, file: Path, octets: bytes) -> None:
    authorities = _chain(file, octets)
    data = b"".join(link.certificate.public_bytes(Encoding.DER) for link in authorities)
    try:
        context.load_verify_locations(cadata=data)
    except (OSError, ValueError) as error:
        raise TlsError(
            f"{file}: OpenSSL refuses it ({_reason(error)}). Name the authorities of the clients'"
            " certificates"
        ) from None
    context.verify_mode = ssl.CERT_REQUIRED


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    return reason.lower().replace("_", " ") if isinstance(reason, str) else type(error).__name__
