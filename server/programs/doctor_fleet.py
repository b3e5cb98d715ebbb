"""The doctor's look at the fleet: can agents reach their door, and is what it knows to be believed.

Nothing is said where no agents' door is configured and no host was ever enrolled.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from ipaddress import ip_address

from server.address import Address
from server.config import Config
from server.datadir import DataDirectory
from server.fleet.advisory_file import shipped
from server.programs.doctor import Finding, check_certificate
from server.programs.doctor_store import count_rows

OLD_ADVISORIES_DAYS = 180
"""A file of advisories that is older hides what came since."""

_HOSTS = "SELECT count(*) FROM fleet_host WHERE state = 'active'"
_SILENT = f"{_HOSTS} AND silent_us > coalesce(reported_us, enrolled_us)"
_CLASHED = f"{_HOSTS} AND clashes > 0"
_DISPUTED = "SELECT count(*) FROM fleet_fault WHERE rule = 'disputed'"
_TABLES = (_HOSTS, _SILENT, _CLASHED, _DISPUTED)


def check_fleet(
    data: DataDirectory, config: Config, today: date | None = None
) -> Iterator[Finding]:
    """Make all checks of the fleet. today: UTC."""
    counts = count_rows(data, config, _TABLES)
    address = config.listen.fleet_address
    if address is None and not (counts and counts[0]):
        return
    yield check_door(config, address)
    if config.fleet_files is not None and config.tls.client_ca is not None:
        yield check_certificate("agents' TLS", config.fleet_files)
    if counts is not None:
        yield from check_hosts(counts)
    yield check_advisories(today or datetime.now(UTC).date())


def check_door(config: Config, address: Address | None) -> Finding:
    """Whether agents can report: they take plain HTTP for loopback only."""
    name = "agents' door"
    if address is None:
        return Finding(
            name,
            "warn",
            "hosts are enrolled, and there is no door for them: nothing that they see is heard",
            "Set listen.fleet (docs/fleet.md), or erase the hosts",
        )
    if config.tls.files is None and not _is_loopback(address.host):
        return Finding(
            name,
            "fail",
            f"{address} speaks plain HTTP to other machines: agents refuse that, and whoever is on"
            " the way could read tokens",
            "Give it a certificate ([tls]), or listen on 127.0.0.1 behind a reverse proxy",
        )
    if config.tls.files is None:
        return Finding(
            name, "ok", f"{address}, plain HTTP for this machine alone: a reverse proxy brings TLS"
        )
    return Finding(name, "ok", f"{address}, HTTPS with the certificate of [tls]")


def check_hosts(counts: tuple[int, ...]) -> Iterator[Finding]:
    """Whether laptops report, and whether they can be believed. counts: as of `_TABLES`."""
    hosts, silent, clashed, disputed = counts
    found = f"{hosts:,} enrolled, {silent:,} silent"
    many = silent * 10 > hosts
    yield Finding(
        "hosts",
        "warn" if many else "ok",
        found,
        "Look which: keystead fleet retention; erase those that are gone" if many else "",
    )
    if clashed:
        yield Finding(
            "copied hosts",
            "warn",
            f"of {clashed:,} hosts a report's number came twice: copied, or put back",
            "docs/runbooks/KeysteadFleetClash.md: erase it, and enrol it anew",
        )
    if disputed:
        yield Finding(
            "disputed keys",
            "warn",
            f"of {disputed:,} keys hosts say what cannot both be",
            "keystead fleet keys --rule disputed; erase the host that lies",
        )


def check_advisories(today: date) -> Finding:
    """Whether the advisories are so old that newer ones are missing."""
    file = shipped()
    days = (today - file.issued).days
    found = f"edition {file.edition} of {file.issued}"
    if days > OLD_ADVISORIES_DAYS:
        return Finding(
            "advisories",
            "warn",
            f"{found}, {days} days old: what came since is not looked for",
            "Upgrade Keystead, which brings newer ones",
        )
    return Finding("advisories", "ok", found)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
