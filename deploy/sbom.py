"""Print the software bill of materials, CycloneDX JSON, of what the server's lock installs here.

    python deploy/sbom.py >sbom.cdx.json

From requirements/server.txt and pyproject.toml; what a marker excludes on this platform is left
out. The same lock gives the same document: no time, no random number. Python itself and the C
library are the distribution's, and in its own lists.
"""

import hashlib
import json
import sys
import tomllib
import uuid
from collections.abc import Iterator
from pathlib import Path

from cyclonedx.model import Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements" / "server.txt"
_HASH = "--hash=sha256:"


def read_lock(text: str) -> Iterator[Requirement]:
    """Yield what a lock of ours asks for: lines of `name==version; marker`, hashes left out."""
    for entry in text.replace("\\\n", " ").splitlines():
        yield Requirement(entry.partition(_HASH)[0].strip())


def component(locked: Requirement) -> Component:
    """Return a library's entry."""
    (pin,) = locked.specifier
    purl = PackageURL("pypi", name=locked.name, version=pin.version)
    return Component(
        name=locked.name,
        version=pin.version,
        type=ComponentType.LIBRARY,
        purl=purl,
        bom_ref=purl.to_string(),
    )


def bill(lock: str, project: str) -> Bom:
    """Return the bill for a lock's text and the text of pyproject.toml."""
    about = tomllib.loads(project)["project"]
    ours = Component(
        name=about["name"],
        version=about["version"],
        type=ComponentType.APPLICATION,
        description=about["description"],
        bom_ref=f"{about['name']}@{about['version']}",
        licenses=[LicenseExpression(about["license"])],
    )
    parts = [
        component(locked)
        for locked in read_lock(lock)
        if locked.marker is None or locked.marker.evaluate()
    ]
    # The hashes of the files are in the lock: one of several was installed for this platform.
    lock_hash = Property(
        name="keystead:lock:sha256", value=hashlib.sha256(lock.encode()).hexdigest()
    )
    made = Bom(
        metadata=BomMetaData(component=ours, properties=[lock_hash]),
        components=parts,
        serial_number=uuid.uuid5(uuid.NAMESPACE_OID, lock + project),
    )
    made.register_dependency(ours, parts)
    return made


def document(lock: str, project: str) -> str:
    """Return the bill as JSON, without the time that the library puts into it."""
    value = json.loads(JsonV1Dot6(bill(lock, project)).output_as_string())
    del value["metadata"]["timestamp"]
    return json.dumps(value, indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.stdout.write(document(LOCK.read_text(), (ROOT / "pyproject.toml").read_text()))
