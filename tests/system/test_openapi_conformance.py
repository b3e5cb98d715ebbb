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

EXAMPLES = 25
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
    door = open_door(keystead, folder, store)
    token: str = keystead.cli("operator", "add", "boss", "--role", "admin")["token"]
    for number in range(1, 4):
        name = f"thing-{number}"
        keystead.cli("customer", "add", name, "--entity", "ab", "--plan-from", "2026-02-15")
        keystead.cli("client", "add", name, "--customer", str(number))
        keystead.cli("operator", "add", name, "--role", "viewer")
    return door, token


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.label)
def test_every_answer_is_one_that_the_document_describes(
    door: tuple[Door, str],
    operation: Any,  # noqa: ANN401 - schemathesis's own
    mode: GenerationMode,
) -> None:
    where, token = door
    takes_nothing = not (operation.path_parameters or operation.query or operation.body)
    if takes_nothing and mode is GenerationMode.NEGATIVE:
        mode = GenerationMode.POSITIVE  # there is nothing to be wrong about

    @settings(
        max_examples=1 if takes_nothing else EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Any) -> None:  # noqa: ANN401 - schemathesis's own
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
