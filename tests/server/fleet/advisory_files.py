"""Files of advisories for tests: documents, and who signs them."""

import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from server.fleet.advisory_file import PREFIX
from server.fleet.signed_file import key_id_of
from server.journal.canonical import canonical

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))


def advisory(**changes: object) -> dict[str, Any]:
    return {
        "id": "YSA-2099-01",
        "cve": None,
        "title": "An example",
        "affects": [
            {"line": "YubiKey 5", "from": "5.0.0", "below": "5.7.0", "of": "firmware", "nfc": False}
        ],
        "unclear": [],
        "condition": "always",
        "explained": "always",
        "critical": False,
        "source": "example.org",
        "note": "",
    } | changes


def document(**changes: object) -> dict[str, Any]:
    return {
        "format": 1,
        "edition": 7,
        "issued": "2026-11-27",
        "advisories": [advisory()],
        "software": [
            {
                "id": "YSA-2099-02",
                "cve": None,
                "package": "pam-u2f",
                "from": None,
                "below": "1.3.1",
                "systems": None,
                "note": "",
            }
        ],
        "lifecycle": [
            {
                "line": "YubiKey 5 FIPS",
                "firmware": "5.4",
                "rule": "fips-historical",
                "text": "historical",
                "day": "2026-09-22",
                "source": "example.org",
            }
        ],
        "releases": [
            {
                "package": "yubikey-manager",
                "release": "5.9.2",
                "day": "2026-11-27",
                "source": "example.org",
            }
        ],
    } | changes


def enveloped(value: dict[str, Any], key: Ed25519PrivateKey = KEY) -> dict[str, Any]:
    public = key.public_key().public_bytes_raw()
    return {
        "document": value,
        "key": key_id_of(public).hex(),
        "signature": key.sign(PREFIX + canonical(value)).hex(),
    }


def signed(value: dict[str, Any], key: Ed25519PrivateKey = KEY) -> bytes:
    """Return the file of a document."""
    return json.dumps(enveloped(value, key)).encode()
