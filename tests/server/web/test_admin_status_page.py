"""What the status page is made of, at the admin door: whole, and public things only."""

import json

import jsonschema  # type: ignore[import-untyped] # the library ships no types

from server.incidents.components import Component
from server.status.wire import read_snapshot
from tests.server.web.office import Office


async def test_it_is_a_snapshot_with_the_pages_address(office: Office) -> None:
    answer = await office.call("GET", "/status-page")
    assert answer.status == 200
    assert answer.json["url"] == "https://otp.example.org/status"
    snapshot = read_snapshot(json.dumps(answer.json["snapshot"]).encode())
    assert [view.component for view in snapshot.components] == list(Component)
    assert snapshot.read_us == office.clock.us


async def test_it_is_as_the_openapi_document_describes_it(office: Office) -> None:
    described = (await office.call("GET", "/openapi.json")).json
    operation = described["paths"]["/api/v1/status-page"]["get"]
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    value = (await office.call("GET", "/status-page")).json
    jsonschema.validate(value, schema | {"components": described["components"]})


async def test_it_takes_no_parameters(office: Office) -> None:
    assert (await office.call("GET", "/status-page?days=7")).status == 400
