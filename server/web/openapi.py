"""The OpenAPI 3.1 document of the admin API, made from the route table and its models."""

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.json_schema import models_json_schema

from server.web.admin_request import PREFIX
from server.web.parameters import PATH_PARAMETERS, QueryParameter
from server.web.route import JSON, Route

VERSION = "1"

_REF = "#/components/schemas/{model}"
_PROBLEM = "application/problem+json"

_REFUSALS: Mapping[str, str] = {
    "400": "The request is not what this route takes.",
    "401": "No token was shown, or one that lets nobody in.",
    "403": "The operator's role does not carry the permission, or they are kept to one customer.",
    "404": "There is no such thing, or it is another customer's.",
    "408": "The body did not arrive in time.",
    "409": "Things are not in the state that this needs.",
    "413": "The body is too large.",
    "415": "The body is of another media type.",
    "422": "What was entered is refused; the detail says what to write instead.",
    "429": "Too many wrong tokens came from this address.",
    "500": "A fault nobody foresaw; the service's log has it under the id in the detail.",
    "503": "The store or the vault does not answer.",
    "507": "A file beside the store could not be written.",
}


class ProblemShown(BaseModel):
    """A refusal (RFC 9457). detail: for a person; line: at fault in an uploaded file.

    files, errors, errors_total: of an import, what its lines would do and which are at fault.
    """

    model_config = ConfigDict(extra="forbid")

    type: str
    title: str
    status: int
    detail: str
    line: int = 0
    files: dict[str, dict[str, int]] = {}
    errors: list[dict[str, str | int]] = []
    errors_total: int = 0


class OpenApiShown(BaseModel):
    """An OpenAPI document."""

    model_config = ConfigDict(extra="allow")

    openapi: str


def document(routes: Sequence[Route]) -> dict[str, Any]:
    """Return the document of these routes."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(PREFIX + route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Keystead administration",
            "version": VERSION,
            "description": (
                "Each operation names the permission it asks for (x-keystead-permission) and whose"
                " things it touches (x-keystead-reach). What is not granted is denied."
            ),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "schemas": _schemas(routes),
            "responses": {
                f"Refused{status}": {
                    "description": text,
                    "content": {_PROBLEM: {"schema": _ref(ProblemShown)}},
                }
                for status, text in _REFUSALS.items()
            },
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    answered = {
        "description": HTTPStatus(route.status).phrase,
        "content": {route.media: {"schema": _schema_of_answer(route)}},
    }
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": [route.path.split("/")[1].partition(".")[0]],
        "x-keystead-permission": route.permission.value,
        "x-keystead-reach": route.reach.name.lower(),
        "parameters": [
            *(_in_path(name) for name in route.names_in_path),
            *(_in_query(parameter) for parameter in route.query),
        ],
        "responses": {
            str(int(route.status)): answered,
            **{status: {"$ref": f"#/components/responses/Refused{status}"} for status in _REFUSALS},
        },
    }
    if route.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {JSON: {"schema": _ref(route.body)}},
        }
    elif route.upload:
        operation["requestBody"] = {
            "required": True,
            "content": {route.upload: {"schema": {"type": "string"}}},
        }
    return operation


def _schema_of_answer(route: Route) -> dict[str, Any]:
    """Return the schema of an answer; of lines of JSON, as text that the description explains."""
    if route.media == JSON and route.answer is not None:
        return _ref(route.answer)
    text = {"type": "string"}
    if route.answer is not None:
        return {**text, "description": f"Lines of JSON, each a {route.answer.__name__}."}
    return text


def _in_path(name: str) -> dict[str, Any]:
    parameter = PATH_PARAMETERS[name]
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": parameter.text,
        "schema": dict(parameter.schema),
    }


def _in_query(parameter: QueryParameter) -> dict[str, Any]:
    return {
        "name": parameter.name,
        "in": "query",
        "required": parameter.required,
        "description": parameter.text,
        "schema": dict(parameter.schema),
    }


def _ref(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REF.format(model=model.__name__)}


def _schemas(routes: Iterable[Route]) -> dict[str, Any]:
    """Return the schema of every model: bodies as they are read, answers as they are written."""
    taken = {route.body for route in routes if route.body is not None}
    given = {route.answer for route in routes if route.answer is not None} | {ProblemShown}
    _, schemas = models_json_schema(
        sorted(
            [(model, "validation") for model in taken]
            + [(model, "serialization") for model in given],
            key=lambda pair: pair[0].__name__,
        ),
        by_alias=True,
        ref_template=_REF,
    )
    found: dict[str, Any] = schemas["$defs"]
    return found
