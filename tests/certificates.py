"""Certificates for tests: an authority of one's own, and files as an operator has them."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

from server.tlsfiles import TlsFiles

NAMES = ("localhost", "127.0.0.1", "door.test")


class Authority:
    """A certificate authority that clients of a test trust."""

    def __init__(self) -> None:
        self.ca = trustme.CA()

    def issue(
        self,
        folder: Path,
        *names: str,
        days: float = 90,
        began: float = 1,
        key_type: trustme.KeyType = trustme.KeyType.ECDSA,
    ) -> TlsFiles:
        """Write a certificate and its key to `folder`, in the place of what is there.

        names: localhost's without any; days: until it expires; began: days ago.
        """
        now = datetime.now(UTC)
        leaf = self.ca.issue_cert(
            *(names or NAMES),
            not_before=now - timedelta(days=began),
            not_after=now + timedelta(days=days),
            key_type=key_type,
        )
        folder.mkdir(parents=True, exist_ok=True)
        files = TlsFiles(folder / "fullchain.pem", folder / "privkey.pem")
        # Renamed into place, as programs that renew do: no reader sees half a file.
        chain = b"".join(blob.bytes() for blob in leaf.cert_chain_pems)
        for file, octets in ((files.certificate, chain), (files.key, leaf.private_key_pem.bytes())):
            fresh = file.with_suffix(".new")
            fresh.write_bytes(octets)
            fresh.chmod(0o600)
            fresh.replace(file)
        return files

    def write(self, file: Path) -> Path:
        """Write the authority's own certificate."""
        file.write_bytes(self.ca.cert_pem.bytes())
        return file

    def client(self) -> ssl.SSLContext:
        """Return the settings of a client that trusts this authority alone."""
        context = ssl.create_default_context()
        self.ca.configure_trust(context)
        return context
