"""Versions of the programs that have to do with keys, by the name that advisories use.

What Yubico supports ("covered software") and what its advisories were about. Where a system's
packages are known it asks their list, never the programs themselves.
"""

import re
import sys
from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

_NAMES = {
    "yubikey-manager": ("yubikey-manager", "ykman"),
    "yubikey-manager-qt": ("yubikey-manager-qt", "yubikey manager"),
    "yubico-authenticator": ("yubioath-desktop", "yubico-authenticator", "yubico authenticator"),
    "yubienroll": ("yubienroll", "yubienroll-cli"),
    "yubico-piv-tool": ("yubico-piv-tool", "ykpiv", "yubico piv tool", "yubico piv tool (x64)"),
    "yubikey-minidriver": ("yubikey smart card minidriver", "yubikey minidriver"),
    "yubihsm-shell": ("yubihsm-shell",),
    "yubihsm-connector": ("yubihsm-connector", "yubihsm connector"),
    "yubihsm-sdk": ("yubihsm2-sdk", "yubihsm2 sdk", "yubihsm key storage provider"),
    "libfido2": ("libfido2", "libfido2-1"),
    "libu2f-host": ("libu2f-host", "libu2f-host0"),
    "pam-u2f": ("libpam-u2f", "pam-u2f", "pam_u2f"),
    "pam-yubico": ("libpam-yubico", "pam_yubico", "pam-yubico"),
    "python-fido2": ("python3-fido2",),
    "pcscd": ("pcscd", "pcsc-lite"),
}
_BY_PACKAGE = {package: name for name, packages in _NAMES.items() for package in packages}
_VERSION = re.compile(r"(?:\d+:)?([0-9][0-9A-Za-z.]*)")
_DPKG = Path("/var/lib/dpkg/status")
_RPM = Path("/usr/bin/rpm")
_WITHIN_S = 20.0
_MAX_PLIST = 1024 * 1024
_APPLICATIONS = Path("/Applications")
_CELLARS = (Path("/opt/homebrew/Cellar"), Path("/usr/local/Cellar"))


def installed() -> Mapping[str, str]:
    """Return what is installed on this host."""
    try:
        return chosen(_listed())
    # What is installed is a fact among many: a list that cannot be read stops nothing.
    except OSError:
        return {}


def chosen(packages: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return what is ours of a system's packages and versions. Pure.

    The version is the upstream one: a distribution that mends an old version keeps its number.
    """
    found: dict[str, str] = {}
    for package, version in packages:
        name = _BY_PACKAGE.get(package.lower())
        told = _VERSION.match(version)
        if name is not None and told is not None:
            found[name] = told.group(1).rstrip(".")[:40]
    return dict(sorted(found.items()))


def of_dpkg(lines: Iterable[str]) -> Iterable[tuple[str, str]]:
    """Read dpkg's status file: stanzas of "Name: value" lines. Pure."""
    package = version = ""
    is_installed = False
    # One by one: all lines of a desktop's list at once are ten mebibytes, most of which stay.
    for line in chain(lines, ("\n",)):
        if line.startswith("Package: "):
            package = line[9:].strip()
        elif line.startswith("Status: "):
            is_installed = line.rstrip().endswith(" installed")
        elif line.startswith("Version: "):
            version = line[9:].strip()
        elif line == "\n":
            if is_installed and package:
                yield package, version
            package, version, is_installed = "", "", False


def of_rpm(text: str) -> Iterable[tuple[str, str]]:
    """Read what rpm was asked for: "name version" lines. Pure."""
    for line in text.splitlines():
        name, _, version = line.partition(" ")
        yield name, version


def _listed() -> Iterable[tuple[str, str]]:
    if sys.platform == "win32":
        return list(_uninstallable())
    if sys.platform == "darwin":
        return [*_bundles(_APPLICATIONS), *_kegs(_CELLARS)]
    if _DPKG.exists():
        with _DPKG.open(errors="replace") as lines:
            wanted = of_dpkg(lines)
            return [one for one in wanted if one[0] in _BY_PACKAGE]
    if _RPM.exists():
        import subprocess  # noqa: PLC0415 - a mebibyte that most hosts need not have

        asked = [str(_RPM), "-qa", "--queryformat", "%{NAME} %{VERSION}\\n"]
        try:
            done = subprocess.run(  # noqa: S603 - fixed arguments
                asked, capture_output=True, text=True, timeout=_WITHIN_S, check=True
            )
        except subprocess.SubprocessError:
            return ()
        return of_rpm(done.stdout)
    return ()


def _bundles(directory: Path) -> Iterable[tuple[str, str]]:
    import plistlib  # noqa: PLC0415 - of this platform alone

    for bundle in sorted(directory.glob("Yubi*.app")):
        place = bundle / "Contents" / "Info.plist"
        # Whoever administers a Mac puts there what he likes: a pipe, a list that is none.
        try:
            if not place.is_file() or place.stat().st_size > _MAX_PLIST:
                continue
            told: Any = plistlib.loads(place.read_bytes())
            version = str(told["CFBundleShortVersionString"])
        except Exception:  # noqa: BLE001, S112 - ExpatError, KeyError, TypeError and more
            continue
        yield bundle.stem, version


def _kegs(cellars: Iterable[Path]) -> Iterable[tuple[str, str]]:
    for cellar in cellars:
        for keg in sorted(cellar.glob("*/*")):
            yield keg.parent.name, keg.name


def _uninstallable() -> Iterable[tuple[str, str]]:
    import winreg  # noqa: PLC0415 - of this platform alone

    registry: Any = winreg
    place = r"SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall"
    for view in (registry.KEY_WOW64_64KEY, registry.KEY_WOW64_32KEY):
        access = registry.KEY_READ | view
        with registry.OpenKey(registry.HKEY_LOCAL_MACHINE, place, 0, access) as programs:
            for number in range(registry.QueryInfoKey(programs)[0]):
                with registry.OpenKey(programs, registry.EnumKey(programs, number)) as one:
                    try:
                        name, _ = registry.QueryValueEx(one, "DisplayName")
                        version, _ = registry.QueryValueEx(one, "DisplayVersion")
                    except OSError:
                        continue
                    yield str(name), str(version)
