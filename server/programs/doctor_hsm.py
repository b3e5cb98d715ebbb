"""The doctor's look at the HSM: whether it answers, what it is, whether it opens what is stored.

The embedded emulator belongs to one process: while the service runs the doctor looks at a copy of
its file, which stays as it is. Real devices are asked, as they are by everybody.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from typing import Any

from hsm import privatefile
from hsm.data_keys import DataKeys
from hsm.keyfile import load
from hsm.rings import Rings
from hsm.sealed_vault import SealedVault
from hsm.vault import OtpKeyBinding, VaultError
from server.config import Config
from server.datadir import DataDirectory
from server.hsm_host import EMULATED, HsmHost
from server.programs.doctor import Finding
from server.storage.identity import IN_HSM
from server.strict import open_strict
from validation.otp import InvalidOtpError

_LARGEST = 4 << 20
_RECORDS = "stored records"


def check_hsm(data: DataDirectory, config: Config) -> Iterator[Finding]:
    """Log in and compare with the manifest."""
    try:
        host = _host(data, config)
        host.inspect(production=config.environment == "production")
    except VaultError as error:
        yield Finding("HSM", "fail", str(error), "Without it the service does not start")
        return
    for one in host.identified:
        found = f"{one.kind} {one.serial} ({one.part_number or 'no part number'}), firmware"
        found = f"{found} {one.firmware}, {config.hsm.mode} mode"
        if one.kind == "hardware":
            yield Finding("HSM", "ok", found)
        elif one.kind == "emulator":
            advice = "Use a YubiHSM 2 for more than that: keystead init --hsm (docs/hsm.md)"
            yield Finding("HSM", "warn", f"{found}: {EMULATED}", advice)
        else:
            advice = "Name Yubico's newer certificates in hsm.authorities, if that is what lacks"
            yield Finding("HSM", "warn", f"{found}: {'; '.join(one.doubts)}", advice)
    away = {device.where for device in host.devices.all} - {one.where for one in host.identified}
    for where in sorted(away):
        yield Finding("HSM", "warn", f"{where} does not answer", "Others serve in its place")
    if data.ceremony_secret_file.exists():
        yield Finding(
            "ceremony's secret",
            "warn",
            f"{data.ceremony_secret_file} still lies beside what it protects",
            "Move it to a safe place: serving does not need it",
        )


def _host(data: DataDirectory, config: Config) -> HsmHost:
    if not config.hsm.is_embedded:
        return HsmHost.open(config.hsm, data)
    secret, emulator = (
        privatefile.read(
            path,
            _LARGEST,
            when_absent="Restore it from its backup: without it no stored key opens.",
            when_open="take what it protects for known to others",
        )
        for path in (data.hsm_secret_file, data.emulator_file)
    )
    return HsmHost.of_copies(config.hsm, secret, emulator)


def check_records(
    data: DataDirectory,
    config: Config,
    bound: str | None,
    data_keys: str | None,
    record: Sequence[Any] | None,
) -> Iterator[Finding]:
    """Open one stored record. bound, data_keys: as the store has them."""
    if not data.has_hsm:
        yield Finding(
            _RECORDS,
            "fail",
            f"the store has data keys of an HSM, and {data.hsm_secret_file} is absent",
            "Put the host's secret back, and emulator beside it if there is no other HSM",
        )
        return
    if data_keys is None and bound in {None, IN_HSM}:
        yield Finding(
            _RECORDS, "fail", "the store has no data keys", "Run keystead init, or restore a backup"
        )
        return
    try:
        asyncio.run(_open(data, config, data_keys, record))
    except InvalidOtpError:
        pass  # the record opened; sixteen zeros are no OTP of its key, as expected
    except VaultError as error:
        yield Finding(_RECORDS, "fail", str(error), "Use the HSM and database that belong together")
        return
    if record is None:
        yield Finding(_RECORDS, "ok", "the data keys open; no key is stored yet")
    else:
        yield Finding(_RECORDS, "ok", "they belong to this HSM: one was opened")


async def _open(
    data: DataDirectory, config: Config, data_keys: str | None, record: Sequence[Any] | None
) -> None:
    host = _host(data, config)
    rings = Rings()
    if data_keys is not None:
        rings = host.unwrap(DataKeys.decode(data_keys))
    if data.sealing_key_file.exists():
        key = load(data.sealing_key_file)
        rings = Rings(*(ring.with_others(key) for ring in rings))
    if record is None:
        return
    public_id, generation, octets = record
    sealed = SealedVault(rings, opened=1)
    binding = OtpKeyBinding(public_id, generation)
    async with AsyncExitStack() as stack:
        if rings.secrets.active is None:
            await sealed.open_otp(binding, bytes(octets), bytes(16))
            return
        strict = host.strict(seals=False)
        vault = await open_strict(stack, sealed, rings, strict, host.devices.all)
        await vault.open_otp(binding, bytes(octets), bytes(16))
