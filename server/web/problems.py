"""Refusals of the admin API as problems (RFC 9457), one shape for all of them."""

import json
from collections.abc import Mapping
from http import HTTPStatus

from aiohttp import hdrs, web
from pydantic import ValidationError

_FIRST_SERVER_ERROR = 500


class ProblemError(Exception):
    """A request is refused. detail: for a person, what happened and what to do; no secrets.

    line: the line at fault of an uploaded file, counted from 1; headers: more of the answer's;
    more: further members.
    """

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        line: int | None = None,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.line = line
        self.headers = dict(headers or {})
        self.more = more or {}


def problem_answer(problem: ProblemError, *, allow: str = "") -> web.Response:
    """Return a problem as an answer. allow: the Allow header of a 405."""
    body: dict[str, object] = {
        "type": "about:blank",
        "title": problem.status.phrase,
        "status": problem.status.value,
        "detail": problem.detail,
    }
    if problem.line is not None:
        body["line"] = problem.line
    body |= problem.more
    headers = {
        **problem.headers,
        hdrs.CONTENT_TYPE: "application/problem+json",
        hdrs.CACHE_CONTROL: "no-store",
    }
    if allow:
        headers[hdrs.ALLOW] = allow
    return web.Response(
        status=problem.status.value, body=json.dumps(body).encode(), headers=headers
    )


def invalid_body(error: ValidationError) -> ProblemError:
    """Name each field at fault and the rule, never what was sent."""
    faults = [
        f"{'.'.join(str(part) for part in fault['loc']) or 'the body'}: {fault['msg']}"
        for fault in error.errors(include_url=False, include_context=False, include_input=False)
    ]
    return ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "; ".join(faults))
