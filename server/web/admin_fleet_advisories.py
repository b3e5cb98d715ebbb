"""The admin API on advisories: `/api/v1/fleet/advisories`, decisions on them, rules of health."""

from http import HTTPMethod, HTTPStatus

from aiohttp import web

from server.accounts.access import Permission
from server.fleet.advisory_desk import AdvisoryDesk
from server.fleet.advisory_file import MAX_FILE_OCTETS
from server.fleet.criterion import in_force
from server.fleet.desk import FleetDesk
from server.fleet.shelf import UnknownAdvisoryError
from server.journal.canonical import MalformedError
from server.web.admin_request import (
    answer,
    cause_of,
    moment,
    page_limit,
    read_cause,
    read_octets,
    read_query,
    write_down,
)
from server.web.advisory_shown import (
    AdvisoriesShown,
    AdvisoryShown,
    DecisionShown,
    DecisionsShown,
    FileShown,
    HitHostsShown,
    HitsShown,
    RuleShown,
    RulesShown,
    StandingShown,
    advisory_shown,
    decision_shown,
    hit_host_shown,
    hit_shown,
    software_shown,
)
from server.web.parameters import AFTER_NAME, LIMIT, NEEDED_REASON, REASON
from server.web.problems import ProblemError
from server.web.route import Reach, Route

_ONE = "/fleet/advisories/{advisory_id}"
_PAGE = (AFTER_NAME, LIMIT)
_WITHIN_S = 30.0


class AdminFleetAdvisories:
    """Handlers over the desks for the fleet and for advisories."""

    def __init__(self, fleet: FleetDesk, desk: AdvisoryDesk) -> None:
        self._fleet = fleet
        self._desk = desk

    def routes(self) -> list[Route]:
        """Return the routes of this part of the API."""
        get, post = HTTPMethod.GET, HTTPMethod.POST
        read, whole = Permission.FLEET_READ, Reach.SERVICE
        decide, why = Permission.FLEET_DECIDE, (NEEDED_REASON,)
        made = HTTPStatus.CREATED
        return [
            Route(get, "/fleet/advisories", self.advisories, read, whole, AdvisoriesShown),
            Route(
                post,
                "/fleet/advisories",
                self.load,
                Permission.FLEET_WRITE,
                whole,
                StandingShown,
                made,
                query=(REASON,),
                upload="application/json",
            ),
            Route(get, "/fleet/advisory-files", self.files, read, whole, StandingShown),
            Route(get, _ONE, self.show, read, whole, AdvisoryShown),
            Route(get, _ONE + "/keys", self.affected, read, whole, HitsShown, query=_PAGE),
            Route(get, _ONE + "/hosts", self.hosts, read, whole, HitHostsShown, query=_PAGE),
            Route(
                post,
                _ONE + "/critical",
                self.decide,
                decide,
                whole,
                DecisionShown,
                made,
                query=why,
            ),
            Route(
                post,
                _ONE + "/withdraw",
                self.withdraw,
                decide,
                whole,
                DecisionShown,
                made,
                query=why,
            ),
            Route(get, "/fleet/decisions", self.decisions, read, whole, DecisionsShown),
            Route(get, "/fleet/rules", self.rules, read, whole, RulesShown),
        ]

    async def advisories(self, request: web.Request) -> web.Response:
        """Show all advisories that are known here."""
        read_query(request, ())
        standing, decisions = self._desk.standing, in_force(await self._desk.decisions())
        listed = [advisory_shown(one, decisions) for one in standing.file.advisories]
        listed += [software_shown(ones) for ones in self._desk.advisories_on_software()]
        return answer(
            request,
            AdvisoriesShown(
                edition=standing.file.edition,
                issued=standing.file.issued.isoformat(),
                key=None if standing.loaded is None else standing.loaded.key_id.hex(),
                advisories=listed,
            ),
        )

    async def load(self, request: web.Request) -> web.Response:
        """Let a signed file of advisories stand from now on."""
        cause = read_cause(request)
        if request.content_type != "application/json":
            raise ProblemError(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                "send the file with Content-Type application/json",
            )
        text = await read_octets(request, cap=MAX_FILE_OCTETS, deadline_s=_WITHIN_S)
        try:
            standing = await self._desk.load(text, cause=cause)
        except MalformedError as error:
            raise ProblemError(
                HTTPStatus.UNPROCESSABLE_ENTITY, f"this is no file of advisories: {error}"
            ) from None
        write_down(request, "advisories.load", edition=standing.file.edition)
        return answer(request, await self._standing())

    async def files(self, request: web.Request) -> web.Response:
        """Show which file stands, by which key, and all that were loaded."""
        read_query(request, ())
        return answer(request, await self._standing())

    async def _standing(self) -> StandingShown:
        standing = self._desk.standing
        problems = {one.loaded.number: one.why for one in self._desk.passed_over}
        loaded = standing.loaded
        return StandingShown(
            edition=standing.file.edition,
            issued=standing.file.issued.isoformat(),
            key=None if loaded is None else loaded.key_id.hex(),
            loaded=None if loaded is None else moment(loaded.loaded_us),
            by=None if loaded is None else loaded.by,
            waiting=await self._desk.left_to_judge(self._fleet.rulebook.stamp),
            trusted=[key.hex() for key in self._desk.trusted],
            files=[
                FileShown(
                    number=one.number,
                    edition=one.edition,
                    key=one.key_id.hex(),
                    loaded=moment(one.loaded_us),
                    by=one.by,
                    problem=problems.get(one.number, ""),
                )
                for one in self._desk.loaded
            ],
        )

    async def show(self, request: web.Request) -> web.Response:
        """Show one advisory."""
        read_query(request, ())
        return answer(request, await self._advisory(request.match_info["advisory_id"]))

    async def _advisory(self, advisory_id: str) -> AdvisoryShown:
        on_software = self._desk.on_software(advisory_id)
        try:
            found = self._fleet.advisory(advisory_id)
        except UnknownAdvisoryError:
            if not on_software:
                raise
            return software_shown(on_software)
        shown = advisory_shown(found, in_force(await self._desk.decisions()))
        if on_software:
            shown = shown.model_copy(update={"packages": software_shown(on_software).packages})
        return shown

    async def affected(self, request: web.Request) -> web.Response:
        """List keys that an advisory hits, or may hit; a page may be short of its limit."""
        query = read_query(request, ("after", "limit"))
        advisory_id = request.match_info["advisory_id"]
        advisory = self._fleet.advisory(advisory_id)
        hit, more = await self._fleet.affected(advisory, query.get("after", ""), page_limit(query))
        keys, shown = [hit_shown(one) for one in hit], await self._advisory(advisory_id)
        return answer(request, HitsShown(advisory=shown, keys=keys, next=more))

    async def hosts(self, request: web.Request) -> web.Response:
        """List hosts with software that an advisory is about; a page may be short of its limit."""
        query = read_query(request, ("after", "limit"))
        advisory_id = request.match_info["advisory_id"]
        found, more = await self._desk.hit_hosts(
            advisory_id, query.get("after", ""), page_limit(query)
        )
        hosts, shown = [hit_host_shown(one) for one in found], await self._advisory(advisory_id)
        return answer(request, HitHostsShown(advisory=shown, hosts=hosts, next=more))

    async def decide(self, request: web.Request) -> web.Response:
        """Decide that an advisory on keys is critical: the beginning of every replacement."""
        return await self._decide(request, critical=True)

    async def withdraw(self, request: web.Request) -> web.Response:
        """Take back the decision that an advisory is critical; that it was made stays."""
        return await self._decide(request, critical=False)

    async def _decide(self, request: web.Request, *, critical: bool) -> web.Response:
        cause = cause_of(request, read_query(request, ("reason",)))
        if not cause.reason.strip():
            raise ProblemError(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                "such a decision is made with a reason: say why, with reason",
            )
        advisory_id = request.match_info["advisory_id"]
        decision = await self._desk.decide(advisory_id, critical=critical, cause=cause)
        write_down(request, "advisory.decide", advisory=advisory_id, critical=critical)
        return answer(request, decision_shown(decision))

    async def decisions(self, request: web.Request) -> web.Response:
        """Show every decision that an advisory is critical, and every withdrawal."""
        read_query(request, ())
        found = await self._desk.decisions()
        return answer(request, DecisionsShown(decisions=[decision_shown(one) for one in found]))

    async def rules(self, request: web.Request) -> web.Response:
        """Show the rules of health, those of the organisation's own among them."""
        read_query(request, ())
        return answer(
            request,
            RulesShown(
                rules=[
                    RuleShown(
                        name=one.name,
                        on=one.on,
                        level=one.level,
                        title=one.title,
                        facts=one.facts,
                        own=one.own,
                    )
                    for one in self._desk.rules()
                ]
            ),
        )
