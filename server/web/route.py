"""A route of the admin API as it is declared."""

import enum
import re
from collections.abc import Awaitable, Callable
from http import HTTPMethod, HTTPStatus
from typing import NamedTuple, TypeAlias

from aiohttp import web
from pydantic import BaseModel

from server.accounts.access import Permission
from server.web.json_types import Body
from server.web.parameters import QueryParameter

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

JSON = "application/json"

NAME_IN_PATH = re.compile(r"\{(\w+)\}")


class Reach(enum.Enum):
    """Whose things a route touches: what it means for an operator kept to one customer."""

    SERVICE = "the service as a whole: not for operators kept to one customer"
    NARROWED = "a collection: such an operator finds their customer's part in it"
    CUSTOMER = "the customer in the path"
    CLIENT = "the client in the path"
    OPERATOR = "the operator in the path"


class Route(NamedTuple):
    """A route: whom it is for, what it takes and what it answers.

    path: below /api/v1, with {names} of `PATH_PARAMETERS`; answer: the model of the JSON it
    answers with, of each line of it, or None for text of another kind; media: the answer's media
    type; body: the model of the JSON it takes; upload: the media type it takes instead.
    """

    method: HTTPMethod
    path: str
    handler: Handler
    permission: Permission
    reach: Reach
    answer: type[BaseModel] | None
    status: HTTPStatus = HTTPStatus.OK
    query: tuple[QueryParameter, ...] = ()
    body: type[Body] | None = None
    upload: str = ""
    media: str = JSON

    @property
    def summary(self) -> str:
        """What it does, in the first line of its handler's words."""
        return (self.handler.__doc__ or "").partition("\n")[0].rstrip(".")

    @property
    def name(self) -> str:
        """A name for programs, unique in the table: `post_clients_by_client_id_rotate`."""
        words = NAME_IN_PATH.sub(r"by_\1", self.path).replace("/", "_").replace(".", "_")
        return f"{self.method.lower()}{words}"

    @property
    def names_in_path(self) -> list[str]:
        """The names of its path's parameters."""
        return NAME_IN_PATH.findall(self.path)
