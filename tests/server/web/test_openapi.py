"""The OpenAPI document: valid, complete, and made of what the routes declare."""

import json
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from schemathesis.core.result import Ok

from server.web.admin import admin_routes
from server.web.openapi import document
from tests.server.memory_store import MemoryStore
from tests.server.still_clock import StillClock
from tests.server.web.office import DEFAULT, office_desks, open_office

CLOCK = StillClock()
DESKS = office_desks(MemoryStore(clock=CLOCK, default_policy=DEFAULT), CLOCK, Path("imports"))
ROUTES = admin_routes(DESKS).routes
DOCUMENT = document(ROUTES)


def references(value: Any) -> set[str]:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*(references(item) for item in value.values()))
    if isinstance(value, list):
        return set().union(*(references(item) for item in value))
    return set()


def test_it_is_an_openapi_document_that_others_read() -> None:
    loaded = schemathesis.openapi.from_dict(DOCUMENT)
    loaded.validate()
    read = [isinstance(operation, Ok) for operation in loaded.get_all_operations()]
    assert read == [True] * len(ROUTES)


def test_every_reference_leads_somewhere() -> None:
    for reference in references(DOCUMENT):
        found: Any = DOCUMENT
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]


def test_every_operation_says_what_it_asks_for() -> None:
    for route in ROUTES:
        operation = DOCUMENT["paths"][f"/api/v1{route.path}"][route.method.lower()]
        assert operation["x-keystead-permission"] == route.permission.value
        assert operation["summary"] == route.summary
        assert str(int(route.status)) in operation["responses"]
        assert {"401", "403", "404"} <= set(operation["responses"])
        assert ("requestBody" in operation) is (route.body is not None or bool(route.upload))


@pytest.mark.parametrize("route", [one for one in ROUTES if one.body], ids=lambda one: one.name)
def test_the_example_of_a_body_is_one(route: Any) -> None:  # noqa: ANN401 - a route
    examples = DOCUMENT["components"]["schemas"][route.body.__name__]["examples"]
    assert examples
    for example in examples:
        route.body.model_validate_json(json.dumps(example))


async def test_it_is_served_as_it_is_made(tmp_path: Path) -> None:
    office = await open_office(tmp_path)
    answer = await office.call("GET", "/openapi.json")
    assert (answer.status, answer.json) == (200, DOCUMENT)
    await office.serving.stop()
