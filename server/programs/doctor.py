"""`keystead doctor`: looks at everything that a service needs, and says what to do about it.

Nothing is changed, and a running service is not disturbed. A check that cannot be made is a
finding too.
"""

import os
import resource
import shutil
import socket
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from hsm import keyfile
from hsm.vault import VaultError
from server.address import Address
from server.config import Config
from server.configfile import ConfigError
from server.datadir import DataDirectory, DataDirectoryError
from server.programs.admin_client import AdminClient
from server.programs.installation import Setting, configuration
from server.tlsfiles import TlsError, TlsFiles

Grade = Literal["ok", "warn", "fail"]

_ORDER: tuple[Grade, ...] = ("ok", "warn", "fail")

LITTLE_SPACE = 1 << 30
NO_SPACE = 64 << 20
SLOW_SYNC_S = 0.020
_SYNCS = 15
_CLOCK_SLACK_S = 60.0
_WRITTEN = 1_790_000_000
"""Seconds since the epoch in autumn 2026: no clock that is right shows less."""


class Finding(NamedTuple):
    """One check. found: what is the case; advice: what to do, "" when there is nothing to do."""

    check: str
    grade: Grade
    found: str
    advice: str = ""


def worst(findings: Sequence[Finding]) -> Grade:
    """Return the gravest grade."""
    return max((finding.grade for finding in findings), key=_ORDER.index, default="ok")


def examine(data: DataDirectory, database: str | None) -> list[Finding]:
    """Make all checks. database: instead of the configured one."""
    # The store's libraries take half a second to load: after the cheap refusals.
    from server.programs.doctor_fleet import check_fleet  # noqa: PLC0415
    from server.programs.doctor_notices import check_notices  # noqa: PLC0415
    from server.programs.doctor_store import check_store  # noqa: PLC0415

    findings = [check_directory(data)]
    try:
        config = configuration(data, [Setting(("store", "database"), database, "--database")])
    except ConfigError as error:
        findings += [Finding("configuration", "fail", problem) for problem in error.problems]
        config = Config()
    else:
        findings.append(check_configuration(data, config))
    running = data.holder() if data.root.is_dir() else None
    findings.append(check_service(data, running))
    findings += check_keys(data, config)
    findings.append(check_tls(config))
    if config.listen.admin is not None and config.admin_files is not None:
        findings.append(check_certificate("admin TLS", config.admin_files))
    findings.append(check_health_rules(config))
    findings += check_store(data, config)
    findings += check_notices(config)
    findings += check_fleet(data, config)
    findings += check_disk(data.root)
    findings += check_counter_journal(data, config)
    findings.append(check_clock(data))
    findings += check_ports(config, running)
    findings.append(check_open_files(config))
    return findings


def check_directory(data: DataDirectory) -> Finding:
    """Who may enter the data directory."""
    try:
        data.require()
    except DataDirectoryError as error:
        return Finding("data directory", "fail", str(error))
    return Finding("data directory", "ok", f"{data.root.absolute()}, for its owner alone")


def check_configuration(data: DataDirectory, config: Config) -> Finding:
    """Say what is in force, and what is dangerous about it."""
    if config.environment == "production" and data.sandbox_key_file.exists():
        return Finding(
            "configuration",
            "fail",
            "a sandbox lies in the data directory of a production service",
            f"Disable its client and key, then remove {data.sandbox}",
        )
    found = f"{config.environment}, {config.workers} worker(s), database {_engine(config)}"
    if not data.config_file.exists():
        return Finding("configuration", "ok", f"{found} (no file: the defaults)")
    if data.config_file.stat().st_mode & 0o022:
        return Finding(
            "configuration",
            "warn",
            f"others may write to {data.config_file}",
            f"Run: chmod go-w {data.config_file}",
        )
    return Finding("configuration", "ok", found)


def _engine(config: Config) -> str:
    return "sqlite" if config.store.is_sqlite else "postgresql"


def check_service(data: DataDirectory, running: int | None) -> Finding:
    """Whether somebody holds the data directory, and answers."""
    if running is None:
        return Finding("service", "ok", "not running")
    if AdminClient(data.admin_socket).answers():
        return Finding("service", "ok", f"process {running} runs and answers")
    return Finding(
        "service",
        "warn",
        f"process {running} holds the data directory but does not answer on {data.admin_socket}",
        "Wait until it has started or stopped; else look at its log and end it",
    )


def check_keys(data: DataDirectory, config: Config) -> Iterator[Finding]:
    """Whether the secrets are whole and private, and what is opened with them."""
    if data.sealing_key_file.exists() or not data.has_hsm:
        try:
            key = keyfile.load(data.sealing_key_file)
        except VaultError as error:
            yield Finding("sealing key", "fail", str(error))
        else:
            kept = "keep a copy of the file elsewhere"
            yield Finding("sealing key", "ok", f"key {key.key_id.hex()}; {kept}")
    if data.has_hsm:
        # The HSM's library takes its time to load.
        from server.programs.doctor_hsm import check_hsm  # noqa: PLC0415

        yield from check_hsm(data, config)


def check_health_rules(config: Config) -> Finding:
    """Whether the organisation's own rules of health can be used."""
    # Late: what they are read with loads the fleet's rules.
    from server.health_rules_file import load_rules  # noqa: PLC0415

    if config.fleet.health_rules is None:
        return Finding("health rules", "ok", "those that ship")
    try:
        rules = load_rules(config.fleet.health_rules)
    except ConfigError as error:
        more = len(error.problems) - 1
        found = error.problems[0] + (f" (and {more} more)" if more else "")
        return Finding("health rules", "fail", found, "The service does not start with it: mend it")
    found = f"{len(rules.own)} of your own, {len(rules.tuned)} changed: {config.fleet.health_rules}"
    return Finding("health rules", "ok", found)


def check_tls(config: Config) -> Finding:
    """Look at the verification door's certificate."""
    files = config.tls.files
    if files is None:
        return Finding("TLS", "ok", "not configured: clients are served plain HTTP")
    return check_certificate("TLS", files)


def check_certificate(check: str, files: TlsFiles) -> Finding:
    """Whether a certificate on the disk can be served, and for how long."""
    from server import tls  # noqa: PLC0415 - reading certificates takes a library of its own

    now = time.time()
    try:
        certificate = tls.load(files, now_s=now).certificate
    except TlsError as error:
        return Finding(check, "fail", str(error))
    days = certificate.days_left(now)
    found = f"{files.certificate}, until {certificate.expires} ({days} days)"
    if not certificate.names:
        return Finding(
            check, "warn", f"{found}, for no host", "Clients refuse it: get one that names hosts"
        )
    found += f", for {', '.join(certificate.names)}"
    if days < tls.SOON_DAYS:
        return Finding(check, "warn", found, "Renew it; a running service takes it up by itself")
    return Finding(check, "ok", found)


def check_disk(directory: Path) -> Iterator[Finding]:
    """Room on the disk, and how long a durable write takes: each batch waits for one."""
    if not directory.is_dir():
        return
    free = shutil.disk_usage(directory).free
    grade: Grade = "ok" if free >= LITTLE_SPACE else "warn" if free >= NO_SPACE else "fail"
    advice = "" if grade == "ok" else "A full disk stops verification: make room"
    yield Finding("disk space", grade, f"{free >> 20:,} MiB free", advice)
    try:
        seconds = _sync_seconds(directory)
    except OSError as error:
        yield Finding("durable writes", "fail", f"a file cannot be written: {error.strerror}")
        return
    slow = seconds > SLOW_SYNC_S
    yield Finding(
        "durable writes",
        "warn" if slow else "ok",
        f"an fsync takes {seconds * 1000:.2f} ms (median of {_SYNCS})",
        "Every answer waits for one: put the data directory on a faster disk" if slow else "",
    )


def _sync_seconds(directory: Path) -> float:
    probe = directory / f".doctor-{os.getpid()}"
    descriptor = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        taken = []
        for _ in range(_SYNCS):
            began = time.perf_counter()
            os.write(descriptor, bytes(4096))
            os.fsync(descriptor)
            taken.append(time.perf_counter() - began)
    finally:
        os.close(descriptor)
        probe.unlink()
    return statistics.median(taken)


def check_counter_journal(data: DataDirectory, config: Config) -> Iterator[Finding]:
    """Whether a restore could know what was accepted since the backup."""
    name = "counter journal"
    if config.backup.counter_journal is None:
        yield Finding(
            name,
            "warn",
            "none is kept: after a restore all keys stay fenced until you release them, and then"
            " used OTPs are good once more",
            "Set [backup] counter_journal to a directory on another disk (docs/backup.md)",
        )
        return
    directory = Path(config.backup.counter_journal)
    place = directory if directory.is_dir() else directory.parent
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        yield Finding(
            name,
            "fail",
            f"{directory} cannot be written: nothing would be accepted",
            "Make the directory, for the service's user alone (mode 0700)",
        )
        return
    if directory.is_relative_to(data.root.absolute()) or (
        data.root.is_dir() and place.stat().st_dev == data.root.stat().st_dev
    ):
        yield Finding(
            name,
            "warn",
            f"{directory} is on the same disk as the data directory: one loss takes both",
            "Put it on another disk, or on another machine's",
        )
    else:
        yield Finding(name, "ok", f"{directory}, on a disk of its own")
    free = shutil.disk_usage(place).free
    if free < LITTLE_SPACE:
        grade: Grade = "warn" if free >= NO_SPACE else "fail"
        yield Finding(
            name,
            grade,
            f"{free >> 20:,} MiB free in {place}",
            "A full journal disk stops verification: make room, or back up and let it be pruned",
        )


def check_clock(data: DataDirectory) -> Finding:
    """Whether the clock can be right: limits and the answers' time depend on it."""
    now = time.time()
    keys = (data.sealing_key_file, data.hsm_secret_file)
    files = (data.database_file, data.config_file, *keys)
    newest = max((file.stat().st_mtime for file in files if file.exists()), default=0.0)
    shown = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    if now < max(_WRITTEN, newest - _CLOCK_SLACK_S):
        return Finding(
            "clock",
            "fail",
            f"it shows {shown}, which is before things that have happened already",
            "Set the clock, and let NTP keep it",
        )
    return Finding("clock", "ok", shown)


def check_ports(config: Config, running: int | None) -> Iterator[Finding]:
    """Whether the configured addresses are free, or taken by our own service."""
    for name, address in (
        ("verification port", config.listen.verify_address),
        ("operations port", config.listen.ops_address),
        ("admin port", config.listen.admin_address),
        ("agents' port", config.listen.fleet_address),
    ):
        if address is None:
            continue
        taken = _taken(address)
        if taken is None:
            yield Finding(name, "ok", f"{address} is free")
        elif running is not None:
            yield Finding(name, "ok", f"{address} is in use while the service runs")
        else:
            yield Finding(
                name, "warn", f"{address}: {taken}", "Stop that program, or change the port"
            )


def _taken(address: Address) -> str | None:
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
        with socket.socket(found[0][0], socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(found[0][4])
    except OSError as error:
        return error.strerror or str(error)
    return None


def check_open_files(config: Config) -> Finding:
    """Whether as many connections can be open as are configured."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = config.http.connections
    if hard == resource.RLIM_INFINITY or hard > wanted:
        shown = "no limit" if hard == resource.RLIM_INFINITY else f"at most {hard:,}"
        return Finding("open files", "ok", f"{shown}, {wanted:,} connections are configured")
    return Finding(
        "open files",
        "warn",
        f"at most {hard:,}, but {wanted:,} connections are configured",
        "Raise the limit (LimitNOFILE= in a systemd unit), or lower [http] connections",
    )
