"""The admin API on analysis reports of incidents, and on what authorities are told of them."""

from http import HTTPMethod, HTTPStatus
from typing import Annotated, Any

from aiohttp import web
from pydantic import ConfigDict, Field, model_validator

from server.accounts.access import Permission
from server.accounts.customers import CustomerDesk
from server.incidents.instants import write_instant
from server.reports.analysis import MAX_TEXT, Analysis, Standing
from server.reports.analysis_desk import AnalysisDesk, RegulatoryShown, ReportShown
from server.reports.document import Document
from server.reports.document_json import write_document
from server.reports.markdown import write_markdown
from server.reports.page import write_page
from server.reports.paper import write_paper
from server.reports.regulatory import Regime, RegulatoryClock, RegulatoryRecord, RegulatoryStep
from server.reports.revisions import ReportRecord, ReportStateError, ReportStep
from server.web.admin_request import (
    answer,
    moment,
    read_cause,
    read_json,
    read_query,
    whole_number,
    write_down,
)
from server.web.json_types import Body, Moment, Shown
from server.web.parameters import LARGEST_NUMBER, REASON, QueryParameter
from server.web.problems import ProblemError
from server.web.route import Reach, Route

_ONE = "/incidents/{incident_id}/report"
_REGULATORY = "/incidents/{incident_id}/regulatory"
_OF_CUSTOMER = "/customers/{customer_id}/incidents/{incident_id}/report.html"
MARKDOWN = "text/markdown"
HTML = "text/html"
REVISION = QueryParameter(
    "revision",
    {"type": "integer", "minimum": 1, "maximum": LARGEST_NUMBER},
    "A revision as it was published; what it says now, for who edits, without it.",
)

Text = Annotated[str, Field(max_length=MAX_TEXT)]
Time = Annotated[str, Field(max_length=40)]


class ReportTexts(Body):
    """What people write anew; what is left out stays as it is."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"cause": "A certificate had expired."}]}
    )

    summary: Text | None = None
    cause: Text | None = None
    remedy: Text | None = None
    prevention: Text | None = None
    remarks: Text | None = None

    @model_validator(mode="after")
    def _something(self) -> "ReportTexts":
        if all(getattr(self, name) is None for name in self.model_fields_set):
            raise ValueError("give at least one of the texts")
        return self

    @property
    def changes(self) -> dict[str, str]:
        """What was given."""
        return {name: text for name, text in self.model_dump().items() if text is not None}


class RegulatoryGiven(Body):
    """A step about a regime. stage, when: of what was sent; aware: of a classification."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"step": "sent", "regime": "nis2", "stage": "early-warning"}]
        }
    )

    step: Annotated[RegulatoryStep, Field(strict=False)]
    regime: Annotated[Regime, Field(strict=False)]
    stage: Annotated[str, Field(max_length=40)] = ""
    when: Time = ""
    aware: Time = ""


class RevisionShown(Shown):
    """A step of a report's history. revision: 0 for what was not published."""

    step: ReportStep
    time: Moment
    by: str
    reason: str
    revision: int


class AnalysisShown(Shown):
    """An incident's report. analysis: as it is now, null before it was drafted.

    due, standing: of its clock, null when none runs.
    """

    incident: int
    title: str
    due: Moment | None
    standing: Standing | None
    history: list[RevisionShown]
    analysis: Analysis | None


class OwedShown(Shown):
    """A report that is owed, or was published. revision: the last one, 0 for none."""

    incident: int
    title: str
    severity: int
    due: Moment | None
    standing: Standing | None
    revision: int


class OwedReportsShown(Shown):
    """Reports, those that are due first before the others."""

    reports: list[OwedShown]


class DocumentShown(Shown):
    """A report as a document, for who sets it in another format."""

    document: dict[str, Any]
    made: Moment


class RegulatoryStepShown(Shown):
    """What was written down. when: it happened; time: it was written down."""

    regime: Regime
    step: RegulatoryStep
    stage: str
    time: Moment
    when: Moment
    aware: Moment | None
    by: str
    text: str


class RegulatoryClockShown(Shown):
    """A clock. final: whether nothing that is still to come can move it."""

    regime: Regime
    stage: str
    title: str
    source: str
    due: Moment
    sent: Moment | None
    standing: Standing
    final: bool


class RegulatoryStandingShown(Shown):
    """An incident before the authorities: the clocks of the regimes that are on, the history."""

    incident: int
    clocks: list[RegulatoryClockShown]
    history: list[RegulatoryStepShown]


class AdminReports:
    """Handlers over the desk for analysis reports."""

    def __init__(self, desk: AnalysisDesk, customers: CustomerDesk) -> None:
        self._desk = desk
        self._customers = customers

    def routes(self) -> list[Route]:
        """Return the routes of this part of the API."""
        read, write = Permission.INCIDENT_READ, Permission.INCIDENT_WRITE
        # What is told to customers and authorities is not everybody's to say.
        tell = Permission.INCIDENT_AMEND
        get, post, whole = HTTPMethod.GET, HTTPMethod.POST, Reach.SERVICE
        shown, why, revision = AnalysisShown, (REASON,), (REVISION,)
        standing = RegulatoryStandingShown
        texts, step = ReportTexts, RegulatoryGiven
        patch = HTTPMethod.PATCH
        markdown, html = f"{_ONE}.md", f"{_ONE}.html"
        return [
            Route(get, "/reports", self.owed, read, whole, OwedReportsShown),
            Route(get, _ONE, self.show, read, whole, shown),
            Route(patch, _ONE, self.edit, write, whole, shown, query=why, body=texts),
            Route(post, f"{_ONE}/draft", self.draft, write, whole, shown, query=why),
            Route(post, f"{_ONE}/publish", self.publish, tell, whole, shown, query=why),
            Route(
                get, f"{_ONE}/document", self.document, read, whole, DocumentShown, query=revision
            ),
            Route(get, markdown, self.markdown, read, whole, None, query=revision, media=MARKDOWN),
            Route(get, html, self.html, read, whole, None, query=revision, media=HTML),
            Route(
                get,
                _OF_CUSTOMER,
                self.for_customer,
                Permission.CUSTOMER_READ,
                Reach.CUSTOMER,
                None,
                media=HTML,
            ),
            Route(get, _REGULATORY, self.regulatory, read, whole, standing),
            Route(
                post, _REGULATORY, self.regulatory_step, tell, whole, standing, query=why, body=step
            ),
        ]

    async def owed(self, request: web.Request) -> web.Response:
        """List analysis reports that are owed or were published, by their due time."""
        read_query(request, ())
        shown = [
            OwedShown(
                incident=one.incident.incident_id,
                title=one.incident.title,
                severity=one.incident.highest_severity.value,
                due=_instant(one.due),
                standing=one.standing,
                revision=len(one.report.published),
            )
            for one in await self._desk.owed()
        ]
        return answer(request, OwedReportsShown(reports=shown))

    async def show(self, request: web.Request) -> web.Response:
        """Show an incident's report with its history."""
        read_query(request, ())
        return answer(request, _shown(await self._desk.show(_number(request))))

    async def draft(self, request: web.Request) -> web.Response:
        """Draft the report from the data as they are now; what people wrote stays."""
        shown = await self._desk.draft(_number(request), cause=read_cause(request))
        return _changed(request, "draft", shown)

    async def edit(self, request: web.Request) -> web.Response:
        """Write some of the report's texts anew."""
        body = await read_json(request, ReportTexts)
        cause = read_cause(request)
        shown = await self._desk.edit(_number(request), body.changes, cause=cause)
        return _changed(request, "edit", shown)

    async def publish(self, request: web.Request) -> web.Response:
        """Publish the report, or a revision of it."""
        shown = await self._desk.publish(_number(request), cause=read_cause(request))
        return _changed(request, "publish", shown)

    async def document(self, request: web.Request) -> web.Response:
        """Show the report as a document, to be set in another format."""
        document, made_us = await self._document(request)
        shown = DocumentShown(document=write_document(document), made=moment(made_us))
        return answer(request, shown)

    async def markdown(self, request: web.Request) -> web.Response:
        """Show the report as Markdown."""
        document, _ = await self._document(request)
        return _text(write_markdown(document), MARKDOWN)

    async def html(self, request: web.Request) -> web.Response:
        """Show the report as a page."""
        document, _ = await self._document(request)
        return page(write_page(document))

    async def for_customer(self, request: web.Request) -> web.Response:
        """Show a customer the last published revision, with their own Client IDs' figures only."""
        read_query(request, ())
        customer = await self._customers.show(int(request.match_info["customer_id"]))
        clients = frozenset(customer.client_ids)
        published = (await self._desk.show(_number(request))).report.published
        # Of an incident of others a customer hears as much as of one without a report.
        if not published or not published[-1].analysis.concerns(clients):
            raise ReportStateError("no report of this incident was published to this customer")
        last = published[-1]
        own = last.analysis.for_clients(clients)
        return page(write_page(write_paper(own, published, last.revision)))

    async def regulatory(self, request: web.Request) -> web.Response:
        """Show what authorities were told of an incident, and what is due."""
        read_query(request, ())
        number = _number(request)
        return answer(request, _standing(number, await self._desk.regulatory(number)))

    async def regulatory_step(self, request: web.Request) -> web.Response:
        """Classify an incident for an authority, note what was sent, or withdraw."""
        body = await read_json(request, RegulatoryGiven)
        number, cause = _number(request), read_cause(request)
        match body.step:
            case RegulatoryStep.CLASSIFIED:
                shown = await self._desk.classify(
                    number, body.regime, aware=body.aware, cause=cause
                )
            case RegulatoryStep.SENT:
                shown = await self._desk.note_sent(
                    number, body.regime, body.stage, when=body.when, cause=cause
                )
            case RegulatoryStep.WITHDRAWN:
                shown = await self._desk.withdraw(number, body.regime, cause=cause)
        write_down(request, f"regulatory.{body.step}", incident=number, regime=body.regime.value)
        return answer(request, _standing(number, shown))

    async def _document(self, request: web.Request) -> tuple[Document, int]:
        """Return what is asked for, and when it was written."""
        query = read_query(request, ("revision",))
        number = whole_number(query, "revision", default=0, largest=LARGEST_NUMBER)
        report = (await self._desk.show(_number(request))).report
        if number:
            found = report.revision(number)
            if found is None:
                raise ProblemError(HTTPStatus.NOT_FOUND, f"there is no revision {number} of it")
            known = [one for one in report.published if one.revision <= number]
            return write_paper(found.analysis, known, number), found.at_us
        drafted = [one for one in report.history if one.step is not ReportStep.PUBLISHED]
        if not drafted:
            raise ReportStateError("the report was not drafted yet")
        return write_paper(drafted[-1].analysis, report.published, 0), drafted[-1].at_us


def page(text: str) -> web.Response:
    """Return a page that may do nothing but be shown, as it says itself too."""
    made = _text(text, HTML)
    made.headers["X-Content-Type-Options"] = "nosniff"
    made.headers["Content-Security-Policy"] = "sandbox; frame-ancestors 'none'"
    return made


def _text(text: str, media: str) -> web.Response:
    return web.Response(body=text.encode(), content_type=media, charset="utf-8")


def _number(request: web.Request) -> int:
    return int(request.match_info["incident_id"])


def _instant(seconds: int | None) -> str | None:
    return None if seconds is None else write_instant(seconds)


def _changed(request: web.Request, verb: str, shown: ReportShown) -> web.Response:
    write_down(request, f"incident-report.{verb}", incident=shown.incident.incident_id)
    return answer(request, _shown(shown))


def _shown(one: ReportShown) -> AnalysisShown:
    return AnalysisShown(
        incident=one.incident.incident_id,
        title=one.incident.title,
        due=_instant(one.due),
        standing=one.standing,
        history=[_revision(record) for record in one.report.history],
        analysis=one.report.current,
    )


def _revision(record: ReportRecord) -> RevisionShown:
    return RevisionShown(
        step=record.step,
        time=moment(record.at_us),
        by=record.by,
        reason=record.reason,
        revision=record.revision,
    )


def _standing(incident_id: int, one: RegulatoryShown) -> RegulatoryStandingShown:
    return RegulatoryStandingShown(
        incident=incident_id,
        clocks=[_clock(clock, one.now_s) for clock in one.clocks],
        history=[_step(record) for record in one.records],
    )


def _clock(clock: RegulatoryClock, now_s: int) -> RegulatoryClockShown:
    return RegulatoryClockShown(
        regime=clock.regime,
        stage=clock.stage.name,
        title=clock.stage.title,
        source=clock.stage.source,
        due=write_instant(clock.due),
        sent=_instant(clock.sent),
        standing=clock.standing(now_s),
        final=clock.final,
    )


def _step(record: RegulatoryRecord) -> RegulatoryStepShown:
    return RegulatoryStepShown(
        regime=record.regime,
        step=record.step,
        stage=record.stage,
        time=moment(record.at_us),
        when=write_instant(record.when_s),
        aware=_instant(record.aware_s),
        by=record.by,
        text=record.text,
    )
