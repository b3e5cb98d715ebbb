"""The admin API on operators and their tokens: `/api/v1/operators`, and who oneself is."""

from http import HTTPMethod, HTTPStatus
from typing import Annotated

from aiohttp import web
from pydantic import ConfigDict, Field

from server.accounts.access import GRANTS, Permission, Role
from server.accounts.customer_ports import UnknownCustomerError
from server.accounts.operator_ports import OperatorDetails, TokenDetails
from server.accounts.operators import IssuedToken, OperatorDesk
from server.accounts.text import MAX_NAME, OPERATOR_NAME
from server.web.admin_request import (
    CALLER,
    answer,
    moment,
    page_limit,
    read_cause,
    read_json,
    read_query,
    write_down,
)
from server.web.json_types import Body, FutureMoment, Moment, Shown, microseconds
from server.web.parameters import AFTER_NAME, LARGEST_NUMBER, LIMIT, REASON
from server.web.route import Reach, Route

_ONE = "/operators/{name}"

RoleName = Annotated[Role, Field(strict=False)]
Expires = Annotated[FutureMoment, Field(strict=False)]


class NewOperator(Body):
    """An operator to be made. customer: the only one they see; expires: of the first token."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": "ann.example", "role": "support"}]}
    )

    name: Annotated[str, Field(pattern=f"^{OPERATOR_NAME}$")]
    role: RoleName
    customer: Annotated[int, Field(ge=1, le=LARGEST_NUMBER)] | None = None
    expires: Expires | None = None


class NewRole(Body):
    """Another role for an operator."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"role": "operator"}]})

    role: RoleName


class NewToken(Body):
    """One more token. expires: when it ends; in 90 days without it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}]})

    expires: Expires | None = None


class TokenShown(Shown):
    """A token without its secret."""

    number: int
    created: Moment
    expires: Moment
    last_used: Moment | None
    revoked: Moment | None


class OperatorShown(Shown):
    """An operator. customer: the only one they see, null for all."""

    name: str
    role: Role
    customer: int | None
    active: bool
    created: Moment
    tokens: list[TokenShown]


class OperatorsShown(Shown):
    """A page of operators. next: `after` of the page behind it, null at the end."""

    operators: list[OperatorShown]
    next: Annotated[str, Field(max_length=MAX_NAME)] | None


class IssuedTokenShown(OperatorShown):
    """An operator with a new token, which is in this answer and nowhere else."""

    token: str
    token_number: int
    token_expires: Moment


class SelfShown(Shown):
    """Who asks."""

    kind: str
    name: str
    role: Role
    customer: int | None
    permissions: list[Permission]


def _moment(time_us: int | None) -> str | None:
    return None if time_us is None else moment(time_us)


def _token(token: TokenDetails) -> TokenShown:
    return TokenShown(
        number=token.number,
        created=moment(token.created_us),
        expires=moment(token.expires_us),
        last_used=_moment(token.last_used_us),
        revoked=_moment(token.revoked_us),
    )


def show_operator(details: OperatorDetails) -> OperatorShown:
    """Return an operator as it is answered."""
    return OperatorShown(
        name=details.name,
        role=details.role,
        customer=details.customer_id,
        active=details.active,
        created=moment(details.created_us),
        tokens=[_token(token) for token in details.tokens],
    )


def show_issued(issued: IssuedToken) -> IssuedTokenShown:
    """Return an operator with a new token as it is answered."""
    return IssuedTokenShown(
        **show_operator(issued.operator).model_dump(),
        token=issued.token,
        token_number=issued.details.number,
        token_expires=moment(issued.details.expires_us),
    )


class AdminOperators:
    """Handlers over the desk for operators."""

    def __init__(self, desk: OperatorDesk) -> None:
        self._desk = desk

    def routes(self) -> list[Route]:
        """Return the routes of this part of the API."""
        read, write = Permission.OPERATOR_READ, Permission.OPERATOR_WRITE
        get, post = HTTPMethod.GET, HTTPMethod.POST
        made, why = HTTPStatus.CREATED, (REASON,)
        own, one = Reach.OPERATOR, OperatorShown
        return [
            Route(get, "/self", self.show_self, Permission.SELF_READ, Reach.NARROWED, SelfShown),
            Route(
                get,
                "/operators",
                self.list_operators,
                read,
                Reach.NARROWED,
                OperatorsShown,
                query=(AFTER_NAME, LIMIT),
            ),
            Route(
                post,
                "/operators",
                self.add,
                write,
                Reach.NARROWED,
                IssuedTokenShown,
                made,
                why,
                NewOperator,
            ),
            Route(get, _ONE, self.show, read, own, one),
            Route(post, _ONE + "/disable", self.disable, write, own, one, query=why),
            Route(post, _ONE + "/enable", self.enable, write, own, one, query=why),
            Route(
                HTTPMethod.PUT,
                _ONE + "/role",
                self.give_role,
                write,
                own,
                one,
                query=why,
                body=NewRole,
            ),
            Route(
                post,
                _ONE + "/tokens",
                self.issue_token,
                write,
                own,
                IssuedTokenShown,
                made,
                why,
                NewToken,
            ),
            Route(
                HTTPMethod.DELETE,
                _ONE + "/tokens/{number}",
                self.revoke_token,
                write,
                own,
                one,
                query=why,
            ),
        ]

    async def show_self(self, request: web.Request) -> web.Response:
        """Show who asks and what they may do."""
        read_query(request, ())
        caller = request[CALLER]
        return answer(
            request,
            SelfShown(
                kind=caller.actor.kind,
                name=caller.actor.name,
                role=caller.role,
                customer=caller.customer,
                permissions=sorted(GRANTS[caller.role]),
            ),
        )

    async def list_operators(self, request: web.Request) -> web.Response:
        """List operators by name; `next` is where the next page begins."""
        query = read_query(request, ("after", "limit"))
        limit = page_limit(query)
        found = await self._desk.list(query.get("after", ""), limit, request[CALLER].customer)
        more = found[-1].name if len(found) == limit else None
        operators = [show_operator(details) for details in found]
        return answer(request, OperatorsShown(operators=operators, next=more))

    async def add(self, request: web.Request) -> web.Response:
        """Make an operator; this answer is the only place where the token is ever shown."""
        body = await read_json(request, NewOperator)
        cause = read_cause(request)
        caller = request[CALLER]
        customer = caller.customer if body.customer is None else body.customer
        if not caller.sees(customer):
            raise UnknownCustomerError(customer or 0)
        issued = await self._desk.add(
            body.name,
            body.role,
            customer=customer,
            expires_us=microseconds(body.expires),
            cause=cause,
        )
        write_down(request, "operator.add", operator=body.name, role=body.role.value)
        return answer(request, show_issued(issued))

    async def show(self, request: web.Request) -> web.Response:
        """Show one operator, with all tokens they ever had."""
        read_query(request, ())
        return answer(request, show_operator(await self._desk.show(_name(request))))

    async def disable(self, request: web.Request) -> web.Response:
        """Refuse an operator's tokens from the next request on."""
        details = await self._desk.disable(_name(request), cause=read_cause(request))
        return _changed(request, "operator.disable", details)

    async def enable(self, request: web.Request) -> web.Response:
        """Let an operator in again."""
        details = await self._desk.enable(_name(request), cause=read_cause(request))
        return _changed(request, "operator.enable", details)

    async def give_role(self, request: web.Request) -> web.Response:
        """Give an operator another role."""
        body = await read_json(request, NewRole)
        details = await self._desk.give_role(_name(request), body.role, cause=read_cause(request))
        return _changed(request, "operator.role", details, role=body.role.value)

    async def issue_token(self, request: web.Request) -> web.Response:
        """Give an operator one more token, shown in this answer only."""
        body = await read_json(request, NewToken)
        issued = await self._desk.issue_token(
            _name(request), expires_us=microseconds(body.expires), cause=read_cause(request)
        )
        number = issued.details.number
        write_down(request, "operator.token", operator=issued.operator.name, number=number)
        return answer(request, show_issued(issued))

    async def revoke_token(self, request: web.Request) -> web.Response:
        """Refuse a token from the next request on."""
        number = int(request.match_info["number"])
        details = await self._desk.revoke_token(_name(request), number, cause=read_cause(request))
        return _changed(request, "operator.token_revoke", details, number=number)


def _name(request: web.Request) -> str:
    return request.match_info["name"]


def _changed(
    request: web.Request, action: str, details: OperatorDetails, **facts: object
) -> web.Response:
    write_down(request, action, operator=details.name, **facts)
    return answer(request, show_operator(details))
