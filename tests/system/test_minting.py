"""S22 with a service: minted, opened at the station, programmed, proved, accepted, never twice."""

import stat
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from server.programs.admin_client import AdminClient
from tests.keystead_process import KeysteadProcess
from validation.virtual import VirtualYubiKey

SERIAL = "7654321"
ORDER = ("--order", "order-7", "--station", "station-1")


class Station:
    """A station with a key pair made by OpenSSL."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.private, self.public = folder / "station.pem", folder / "station.pub"
        _openssl("genpkey", "-algorithm", "X25519", "-out", str(self.private))
        self.private.chmod(0o600)
        _openssl("pkey", "-in", str(self.private), "-pubout", "-out", str(self.public))

    def open(self, keystead: KeysteadProcess, release: Path, **said: str) -> Any:  # noqa: ANN401 - a command's end
        """Run `keystead station open`, told what the station has in its hands."""
        told = {"order": "order-7", "serial": SERIAL, "station": "station-1", **said}
        options = [part for name, value in told.items() for part in (f"--{name}", value)]
        secret = self.folder / "secret.csv"
        return keystead.run(
            "station",
            "open",
            str(release),
            "--key",
            str(self.private),
            *options,
            "--out",
            str(secret),
            data=False,
        )

    def program(self) -> VirtualYubiKey:
        """Program a YubiKey from the file that `open` wrote, and remove it."""
        secret = self.folder / "secret.csv"
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600
        (line,) = secret.read_text().splitlines()
        secret.unlink()
        serial, public_id, private_id, aes_key, lock_code, *_ = line.split(",")
        assert (serial, lock_code) == (SERIAL, "0" * 12)
        return VirtualYubiKey(public_id, bytes.fromhex(private_id), bytes.fromhex(aes_key))


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


@pytest.fixture
def station(tmp_path: Path) -> Station:
    return Station(tmp_path)


def mint(keystead: KeysteadProcess, station: Station, release: Path) -> Any:  # noqa: ANN401 - JSON
    options = ("--serial", SERIAL, "--station-key", str(station.public), "--out", str(release))
    return keystead.cli("key", "mint", *ORDER, *options)


def test_s22_a_key_is_minted_handed_out_once_programmed_proved_and_then_accepted(
    keystead: KeysteadProcess, station: Station, tmp_path: Path
) -> None:
    party = keystead.cli("client", "add", "minting")["id"]
    release = tmp_path / "release"
    made = mint(keystead, station, release)
    public_id = made["public_id"]
    assert (made["state"], made["release"]) == ("pre-activation", "taken")
    assert stat.S_IMODE(release.stat().st_mode) == 0o600
    again = keystead.run("key", "release", public_id, *ORDER, "--out", str(tmp_path / "again"))
    assert again.code == 1
    assert "handed out once" in again.err
    assert not (tmp_path / "again").exists()
    opened = station.open(keystead, release)
    assert opened.code == 0, opened.err
    yubikey = station.program()
    assert yubikey.public_id == public_id
    secret = yubikey._private_id.hex()
    assert secret not in opened.out + opened.err
    # Not before it is active, whatever the door's workers remember of it.
    for _ in range(3):
        assert keystead.verify(party, yubikey.press(1)).status == "BAD_OTP"
    refused = keystead.run("key", "enable", public_id)
    assert refused.code == 1
    assert "never activated" in refused.err
    test_otp = yubikey.press(2)
    active = keystead.cli("key", "activate", public_id, stdin=f"{test_otp}\n")
    assert active["state"] == "active"
    assert keystead.verify(party, test_otp).status == "REPLAYED_OTP"
    otp = yubikey.press(3)
    assert keystead.verify(party, otp).status == "OK"
    assert keystead.verify(party, otp).status == "REPLAYED_OTP"
    shown = keystead.cli("key", "minted", public_id)
    assert (shown["order"], shown["serial"], shown["state"]) == ("order-7", int(SERIAL), "active")
    journal = keystead.run("journal", "list").out
    for text in (keystead.log_text(), journal):
        assert secret not in text
        assert test_otp[-32:] not in text


def test_s22_two_commands_that_fetch_at_once_one_gets_it(
    keystead: KeysteadProcess, station: Station, tmp_path: Path
) -> None:
    offered = _offered(keystead, station)

    def fetch(number: int) -> int:
        out = tmp_path / f"release-{number}"
        return keystead.run("key", "release", offered, *ORDER, "--out", str(out)).code

    with ThreadPoolExecutor(4) as hands:
        codes = list(hands.map(fetch, range(4)))
    assert sorted(codes) == [0, 1, 1, 1]
    assert len(list(tmp_path.glob("release-*"))) == 1


def _offered(keystead: KeysteadProcess, station: Station) -> str:
    """Mint a key by the API alone, as a command that is cut off after its first call does."""
    wanted = {
        "order": "order-7",
        "serial": int(SERIAL),
        "station": "station-1",
        "station_key": station.public.read_text(),
    }
    made = AdminClient(keystead.directory / "run" / "admin.sock").post("/keys/mint", wanted)
    assert made["release"] == "offered"
    public_id: str = made["public_id"]
    return public_id


def test_s22_a_void_key_is_handed_to_nobody_and_activates_never(
    keystead: KeysteadProcess, station: Station, tmp_path: Path
) -> None:
    release = tmp_path / "release"
    public_id = mint(keystead, station, release)["public_id"]
    assert station.open(keystead, release).code == 0
    yubikey = station.program()
    void = keystead.cli("key", "void", public_id, "--reason", "the YubiKey was lost")
    assert void["state"] == "destroyed"
    late = keystead.run("key", "activate", public_id, stdin=f"{yubikey.press(1)}\n")
    assert late.code == 1
    assert "destroyed cannot activate" in late.err
    offered = _offered(keystead, station)
    keystead.cli("key", "void", offered, "--reason", "a test")
    gone = keystead.run("key", "release", offered, *ORDER, "--out", str(tmp_path / "gone"))
    assert gone.code == 1
    assert "withdrawn already" in gone.err


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"order": "order-8"}, "another order"),
        ({"serial": "1"}, "another serial"),
        ({"station": "station-2"}, "another station"),
    ],
)
def test_a_station_opens_nothing_that_is_not_for_what_it_has_in_its_hands(
    keystead: KeysteadProcess, station: Station, tmp_path: Path, said: dict[str, str], why: str
) -> None:
    release = tmp_path / "release"
    mint(keystead, station, release)
    refused = station.open(keystead, release, **said)
    assert refused.code == 1
    assert why in refused.err
    assert not (tmp_path / "secret.csv").exists()


def test_a_station_refuses_open_keys_wrong_keys_and_places_that_are_taken(
    keystead: KeysteadProcess, station: Station, tmp_path: Path
) -> None:
    release = tmp_path / "release"
    mint(keystead, station, release)
    station.private.chmod(0o644)
    assert station.open(keystead, release).code == 1
    station.private.chmod(0o600)
    (tmp_path / "secret.csv").write_text("somebody else's")
    taken = station.open(keystead, release)
    assert (taken.code, "not replaced" in taken.err) == (1, True)
    (tmp_path / "secret.csv").unlink()
    folder = tmp_path / "other"
    folder.mkdir()
    other = Station(folder)
    wrong = other.open(keystead, release)
    assert (wrong.code, "another station's key" in wrong.err) == (1, True)
    assert {one.name for one in folder.iterdir()} == {"station.pem", "station.pub"}


def test_a_private_key_or_a_taken_place_is_refused_before_anything_is_minted(
    keystead: KeysteadProcess, station: Station, tmp_path: Path
) -> None:
    there = tmp_path / "there"
    there.touch()
    for key, out in ((station.private, tmp_path / "new"), (station.public, there)):
        options = ("--serial", SERIAL, "--station-key", str(key), "--out", str(out))
        before = keystead.run("key", "list").out
        assert keystead.run("key", "mint", *ORDER, *options).code == 1
        assert keystead.run("key", "list").out == before
