"""S10: nothing secret that passes through a service shows up in what the service says."""

import base64
import secrets
import socket
from pathlib import Path
from urllib.parse import quote, urlsplit

from tests.keystead_process import KeysteadProcess
from tests.system.relying_party import RelyingParty
from tests.system.yubikeys import YubiKey, known_keys


class Canaries:
    """Secrets that were shown to the service, and where they must not come out again."""

    def __init__(self) -> None:
        self._secrets: set[str] = set()

    def show(self, secret: str) -> str:
        """Remember a secret in the spellings it may come out in; return it for use."""
        self._secrets |= {secret, secret.lower(), secret.upper(), quote(secret, safe="")}
        return secret

    def otp(self, key: YubiKey) -> str:
        """Press a key; its OTP's last 32 letters are secret, its public id is not."""
        otp = key.press()
        self.show(otp[-32:])
        return otp

    def assert_none_in(self, text: str, where: str) -> None:
        """Hold that no secret stands in `text`."""
        found = [secret for secret in self._secrets if secret in text]
        assert not found, f"{len(found)} secrets in {where}"


def talk(url: str, octets: bytes) -> str:
    """Send raw octets and return everything that comes back until the service hangs up."""
    parts = urlsplit(url)
    answer = b""
    with socket.create_connection((str(parts.hostname), parts.port or 0), timeout=30) as wire:
        wire.sendall(octets)
        wire.shutdown(socket.SHUT_WR)
        while received := wire.recv(65536):
            answer += received
    return answer.decode("latin-1")


def test_s10_no_secret_comes_out_of_logs_metrics_or_error_pages(tmp_path: Path) -> None:
    canaries = Canaries()
    with KeysteadProcess(tmp_path / "var") as keystead:
        keystead.init()
        keystead.configure('[log]\nlevel = "debug"\n')
        ready = keystead.start(workers=2)
        party = RelyingParty.enrol(keystead, "canary")
        canaries.show(party.api_key)
        canaries.show(base64.b64decode(party.api_key).hex())
        keys = known_keys(keystead, 1)
        for key in keys:
            _, _, private_id, aes_key, *_ = key.ksm_line.split(",")
            canaries.show(private_id)
            canaries.show(aes_key)
        said = _misuse_the_door(canaries, keystead, party, keys[0])
        said += _misuse_the_commands(canaries, keystead, tmp_path)
        metrics = keystead.get(f"{ready.ops_url}/metrics").text
        lost = f"{ready.ops_url}/{canaries.show(secrets.token_hex(16))}?otp={canaries.otp(keys[0])}"
        said += keystead.get(lost).text
        keystead.terminate()
        canaries.assert_none_in(keystead.log_text(), "the log")
        canaries.assert_none_in(keystead.out_file.read_text(), "standard output")
        canaries.assert_none_in(metrics, "/metrics")
        canaries.assert_none_in(said, "error pages and messages")


def _misuse_the_door(
    canaries: Canaries, keystead: KeysteadProcess, party: RelyingParty, key: YubiKey
) -> str:
    """Verify well and badly; return the error pages (a protocol answer repeats its OTP)."""
    assert keystead.ready is not None
    url = keystead.ready.verify_url
    root = url.partition("/wsapi/")[0]
    nonce = secrets.token_hex(16)
    good = canaries.otp(key)
    assert keystead.get(root + party.target(good, nonce)).status == "OK"
    for query in (
        f"id={party.client_id}&nonce={nonce}&otp={good}",
        f"id={party.client_id}&nonce={nonce}&otp={canaries.otp(YubiKey())}",
        f"id={party.client_id}&nonce={nonce}&otp={canaries.otp(key)}&h=AAAA",
        f"id=4294967&nonce={nonce}&otp={canaries.otp(key)}",
        f"id={party.client_id}&nonce={nonce}&otp={canaries.otp(key)}&otp={canaries.otp(key)}",
        f"id={party.client_id}&otp={canaries.otp(key)}",
        f"id={party.client_id}&nonce={nonce}&otp={canaries.otp(key)}%0d%0astatus=OK",
        f"id={party.client_id}&nonce={nonce}&otp={canaries.otp(key)}" + "x" * 9000,
    ):
        keystead.get(f"{url}?{query}")
    pages = [
        keystead.get(f"{root}/{canaries.otp(key)}").text,
        keystead.get(f"{root}/wsapi/2.0/sync?otp={canaries.otp(key)}").text,
    ]
    target = f"/wsapi/2.0/verify?id=1&otp={canaries.otp(key)}"
    pages += [
        talk(url, octets)
        for octets in (
            f"GET {target} HTTP/1.1\r\nHost: a\r\nBad Header\r\n\r\n".encode(),
            f"GET {target} HTTP/9.9\r\n\r\n".encode(),
            f"G\0T {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode(),
            f"GET {target}{'x' * 70_000} HTTP/1.1\r\nHost: a\r\n\r\n".encode(),
            f"GET {target} HTTP/1.1\r\nHost: a\r\nX: {'x' * 70_000}\r\n\r\n".encode(),
            f"DELETE {target} HTTP/1.1\r\nHost: a\r\n\r\n".encode(),
            f"POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 999\r\n\r\n{target}".encode(),
        )
    ]
    return "\n".join(pages)


def _misuse_the_commands(canaries: Canaries, keystead: KeysteadProcess, folder: Path) -> str:
    """Import files with a fault in a line that holds secrets; return what the command says."""
    said = ""
    for fields in (
        "1,{public},{private},{aes},,,,,,,,,\n",
        "1,{public},{private},{aes}zz,,,\n",
        "1,{public},{private}zz,{aes},,,\n",
        "1,{aes},{private},{public},,,\n",
    ):
        public_id, private_id, aes_key, *_ = YubiKey().ksm_line.split(",")[1:]
        line = fields.format(
            public=public_id, private=canaries.show(private_id), aes=canaries.show(aes_key)
        )
        file = folder / "faulty.csv"
        file.write_text(line)
        ended = keystead.run("key", "import", str(file), "--format", "ksm")
        assert ended.code != 0
        said += ended.out + ended.err
    return said
