"""A small server that takes enrolments and reports as docs/agent.md says, over real HTTP or HTTPS.

It checks what a server must check (signatures, sequence, ids), so that an agent which gets
something wrong is refused; and it can be told to fail.
"""

import base64
import json
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from agent.report import (
    CLAIM_CONTEXT,
    ENROLMENT_CONTEXT,
    HOST_HEADER,
    MAX_REPORT_OCTETS,
    REPORT_CONTEXT,
    SIGNATURE_HEADER,
    MalformedReportError,
    Report,
    UnknownFormatError,
    parse,
    signature_input,
)

SERIAL_KEY = bytes(range(32))


@dataclass
class EnrolledHost:
    """What the server keeps of a host."""

    key: Ed25519PublicKey
    name: str
    body: bytes
    last: int = 0
    reports: dict[str, Report] = field(default_factory=dict)
    claims: dict[str, dict[str, Any]] = field(default_factory=dict)


class Refusal(Exception):  # noqa: N818 - an answer
    """A problem answer."""

    def __init__(self, status: int, code: str, **headers: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.headers = headers


class FleetServer:
    """fault: asked before every request is looked at; raises a Refusal, or returns True to have
    the connection closed without an answer, after the request was carried out.
    """  # noqa: D205 - one thought

    def __init__(self, certificate: Path | None = None, key: Path | None = None) -> None:
        self.tokens: dict[str, str] = {}
        self.policy: dict[str, Any] = {
            "serial": "hash",
            "serial_key": base64.b64encode(SERIAL_KEY).decode(),
        }
        self.new_policy: dict[str, Any] | None = None
        self.hosts: dict[str, EnrolledHost] = {}
        self.fault: Callable[[], bool] = lambda: False
        self.requests = 0
        self._lock = threading.Lock()
        self._arrived = threading.Condition(self._lock)
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._scheme = "http"
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
            self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
            self._scheme = "https"
        self._thread = threading.Thread(target=self._http.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"{self._scheme}://127.0.0.1:{self._http.server_address[1]}"

    @property
    def reports(self) -> list[Report]:
        """All that were accepted, in their order."""
        with self._lock:
            return [one for host in self.hosts.values() for one in host.reports.values()]

    @property
    def claims(self) -> list[dict[str, Any]]:
        """All that hosts' users said, each once."""
        with self._lock:
            return [one for host in self.hosts.values() for one in host.claims.values()]

    def wait_for(self, condition: Callable[[list[Report]], bool], within_s: float = 30.0) -> None:
        """Wait until the reports that were accepted are so."""
        with self._arrived:
            met = self._arrived.wait_for(
                lambda: condition(
                    [one for host in self.hosts.values() for one in host.reports.values()]
                ),
                within_s,
            )
        assert met, f"{len(self.reports)} reports: {self.reports[-2:]}"

    def answer(self, path: str, headers: Any, body: bytes) -> tuple[int, dict[str, Any], bool]:  # noqa: ANN401 - an email message
        with self._arrived:
            self.requests += 1
            lost = self.fault()
            if path == "/fleet/v1/enrolments":
                status, value = self._enrol(headers, body)
            elif path == "/fleet/v1/reports":
                status, value = self._report(headers, body)
            elif path == "/fleet/v1/claims":
                status, value = self._claim(headers, body)
            else:
                raise Refusal(404, "")
            self._arrived.notify_all()
            return status, value, lost

    def _enrol(self, headers: Any, body: bytes) -> tuple[int, dict[str, Any]]:  # noqa: ANN401
        asked = json.loads(body)
        key = Ed25519PublicKey.from_public_bytes(base64.b64decode(asked["public_key"]))
        _verify(key, ENROLMENT_CONTEXT, headers, body)
        agreed = {"format": 1, "host": asked["host"], "policy": self.policy}
        known = self.hosts.get(asked["host"])
        if known is not None and known.body == body:
            return 200, agreed
        if self.tokens.pop(asked["token"], None) != asked["name"]:
            raise Refusal(403, "bad-token")
        self.hosts[asked["host"]] = EnrolledHost(key, asked["name"], body)
        return 201, agreed

    def _report(self, headers: Any, body: bytes) -> tuple[int, dict[str, Any]]:  # noqa: ANN401
        if len(body) > MAX_REPORT_OCTETS:
            raise Refusal(413, "too-large")
        host = self.hosts.get(headers[HOST_HEADER])
        if host is None:
            raise Refusal(403, "unknown-host")
        _verify(host.key, REPORT_CONTEXT, headers, body)
        try:
            report = parse(body)
        except UnknownFormatError:
            raise Refusal(422, "unknown-format") from None
        except MalformedReportError:
            raise Refusal(400, "malformed") from None
        assert report.host == headers[HOST_HEADER]
        if report.report_id not in host.reports:
            if report.sequence <= host.last:
                raise Refusal(409, "sequence-taken")
            host.last = report.sequence
            host.reports[report.report_id] = report
        return 202, {} if self.new_policy is None else {"policy": self.new_policy}

    def _claim(self, headers: Any, body: bytes) -> tuple[int, dict[str, Any]]:  # noqa: ANN401
        host = self.hosts.get(headers[HOST_HEADER])
        if host is None:
            raise Refusal(403, "unknown-host")
        _verify(host.key, CLAIM_CONTEXT, headers, body)
        claim = json.loads(body)
        assert claim["host"] == headers[HOST_HEADER]
        host.claims[claim["id"]] = claim
        return 202, {}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers: dict[str, str] = {}
                try:
                    status, value, lost = server.answer(self.path, self.headers, body)
                except Refusal as refusal:
                    status, headers, lost = refusal.status, refusal.headers, False
                    value = {"status": status, "code": refusal.code, "detail": "refused"}
                if lost:
                    self.close_connection = True
                    return
                content = json.dumps(value).encode()
                self.send_response(status)
                for name, text in headers.items():
                    self.send_header(name.replace("_", "-"), text)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Say nothing."""

        return Handler


def _verify(key: Ed25519PublicKey, context: bytes, headers: Any, body: bytes) -> None:  # noqa: ANN401
    kind, _, text = (headers[SIGNATURE_HEADER] or "").partition("=")
    try:
        key.verify(base64.b64decode(text), signature_input(context, body))
    except (InvalidSignature, ValueError):
        raise Refusal(401, "bad-signature") from None
    assert kind == "ed25519"
