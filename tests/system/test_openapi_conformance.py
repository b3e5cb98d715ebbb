"""The OpenAPI document against a running service: no fault, and answers as they are described.

Calls are made up from the document alone, right ones and wrong ones, by an admin whose calls
get past every check but those on what was sent.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from server.web.openapi import document
from tests.keystead_process import KeysteadProcess
from tests.server.web.test_openapi import ROUTES
from tests.system.remote_admin import Door, open_door

EXAMPLES = 8
KEY_LINE = "7,cccccccccccc,a1b2c3d4e5f6,00112233445566778899aabbccddeeff,000000000000,,\n"
THERE = {
    "customer_id": 1,
    "client_id": 1,
    "contact_id": 1,
    "name": "thing-1",
    "number": 2,
    "public_id": "cccccccccccc",
    "sequence": 1,
    "day": "2026-10-03",
    "maintenance_id": 1,
    "host_id": "0f" * 16,
    "key_id": "serial:10000001",
    "advisory_id": "YSA-2024-03",
    "delivery_number": 1,
    "incident_id": 1,
    "file": "counters",
}


@schemathesis.serializer("application/x-keystead-import")
def pieces(_: object, value: object) -> bytes:
    """Send what was made up for an import as it is, and as one that ends in order."""
    return f"{value}\nend\n".encode("utf-8", "surrogatepass")


CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
OPERATIONS = [
    operation.ok()
    for operation in schemathesis.openapi.from_dict(document(ROUTES)).get_all_operations()
    if isinstance(operation, Ok)
]

CASES = [
    pytest.param(
        operation,
        mode,
        named,
        id=f"{operation.label} {mode.value} {'there' if named else 'anything'}",
    )
    for operation in OPERATIONS
    for mode in GenerationMode
    for named in (True, False)
    if operation.path_parameters or not named
]


@pytest.fixture(scope="module")
def door(
    tmp_path_factory: pytest.TempPathFactory, database: str | None
) -> Iterator[tuple[Door, str]]:
    """Return an admin door with something of everything behind it, and an admin's token."""
    folder = tmp_path_factory.mktemp("conformance")
    with KeysteadProcess(folder / "var") as keystead:
        options = [] if database is None else ["--database", database]
        keystead.cli("init", *options)
        yield prepared(keystead, folder, database)


def prepared(keystead: KeysteadProcess, folder: Path, database: str | None) -> tuple[Door, str]:
    store = "" if database is None else f'[store]\ndatabase = "{database}"\n'
    # Wrong calls have wrong tokens, too; who is locked out finds out nothing more.
    door = open_door(keystead, folder, f"wrong_tokens = 1000\n{store}")
    token: str = keystead.cli("operator", "add", "boss", "--role", "admin")["token"]
    for number in range(1, 4):
        name = f"thing-{number}"
        keystead.cli("customer", "add", name, "--entity", "ab", "--plan-from", "2026-02-15")
        keystead.cli("client", "add", name, "--customer", str(number))
        keystead.cli("operator", "add", name, "--role", "viewer")
        mail = ("--email", "ann@example.org", "--kind", "security")
        keystead.cli("contact", "add", str(number), "Ann", *mail)
    times = ["--start", "2035-03-09T22:00:00Z", "--end", "2035-03-09T23:00:00Z"]
    keystead.cli("maintenance", "schedule", "upgrade", *times)
    keystead.cli("incident", "open", "Nobody gets an answer", "--unavailable")
    keystead.cli("key", "import", "-", "--format", "ksm", stdin=KEY_LINE)
    return door, token


@pytest.mark.parametrize(("operation", "mode", "named"), CASES)
def test_every_answer_is_one_that_the_document_describes(
    door: tuple[Door, str],
    operation: Any,  # noqa: ANN401 - schemathesis's own
    mode: GenerationMode,
    *,
    named: bool,
) -> None:
    """Named: the path's parameters are those of things that are there, else made up too."""
    where, token = door

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:  # noqa: ANN401 - schemathesis's own
        if named:
            case.path_parameters = {one: THERE[one] for one in case.path_parameters}
        response = case.call(
            base_url=where.url,
            headers={"Authorization": f"Bearer {token}"},
            verify=str(where.ca),
        )
        case.validate_response(response, checks=CHECKS)
        assert response.status_code != 429

    ask()


def test_no_call_was_a_fault_in_the_log(door: tuple[Door, str]) -> None:
    where, token = door
    assert len(OPERATIONS) == len(ROUTES)
    served = json.loads(where.ask(token, "GET", "/openapi.json").text)
    assert served["paths"] == document(ROUTES)["paths"]
    events = {line["event"] for line in where.keystead.logs()}
    assert not events & {"administration_fault", "administration_failed", "request_fault"}
