"""What the admin API takes to say something of an incident."""

from typing import Annotated

from pydantic import ConfigDict, Field

from server.incidents.components import Component
from server.incidents.desk import UTC_NAME
from server.incidents.record_json import MAX_CLIENTS, MAX_LOSSES, MAX_TEXT, MAX_TITLE
from server.incidents.severity import Reach, Situation, Workaround
from server.web.json_types import Body
from server.web.parameters import LARGEST_NUMBER

Time = Annotated[str, Field(max_length=40)]
"""ISO 8601, with its offset or on the wall of the zone."""

Zone = Annotated[str, Field(max_length=64)]
Words = Annotated[str, Field(max_length=MAX_TEXT)]
Impact = Annotated[str, Field(max_length=41)]
"""Which part of the service: 1, or 1/3."""

_MOST_RECORDS = 1000
_REACHES = {"few": Reach.FEW, "many": Reach.MANY, "most": Reach.MOST}
_WORKAROUNDS = {
    "practical": Workaround.PRACTICAL,
    "not-practical": Workaround.NOT_PRACTICAL,
    "none": Workaround.NONE,
}


class SituationGiven(Body):
    """What is known of it, from which a severity is proposed. All false or least: a question."""

    unavailable: bool = False
    critical: bool = False
    exposes_data: bool = False
    essential: bool = False
    degraded_severely: bool = False
    warranted: bool = False
    degraded: bool = False
    severe: bool = False
    reach: Annotated[str, Field(pattern="^(few|many|most)$")] = "few"
    workaround: Annotated[str, Field(pattern="^(practical|not-practical|none)$")] = "practical"

    @property
    def situation(self) -> Situation:
        """The same for the rules that propose."""
        given = self.model_dump() | {
            "reach": _REACHES[self.reach],
            "workaround": _WORKAROUNDS[self.workaround],
        }
        return Situation(**given)


class NewIncidentGiven(Body):
    """An incident to be opened. severity: assigned at once; reported: when, now without it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "component": "validation",
                    "title": "Nobody gets an answer",
                    "situation": {"unavailable": True},
                    "severity": 1,
                    "tell": "We are looking into it.",
                }
            ]
        }
    )

    component: Component = Field(default=Component.VALIDATION, strict=False)
    title: Annotated[str, Field(max_length=MAX_TITLE)]
    situation: SituationGiven = SituationGiven()
    severity: Annotated[int | None, Field(ge=1, le=4)] = None
    reported: Time = ""
    zone: Zone = UTC_NAME
    customer: Annotated[int | None, Field(ge=1, le=LARGEST_NUMBER)] = None
    public: bool = True
    tell: Words = ""


class Telling(Body):
    """What is told to everybody with a step; nothing when it is empty."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"tell": "We are working on it."}]})

    tell: Words = ""


class Resolution(Body):
    """summary: what was wrong and what was done, among operators; needed for severity 1 and 2."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"summary": "A disk was full.", "tell": "All is well."}]}
    )

    summary: Words = ""
    tell: Words = ""


class UpdateGiven(Body):
    """Something that is told. public: false when only those it concerns are told, by other ways."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"text": "Half of it is back."}]})

    text: Words
    public: bool = True


class NoteGiven(Body):
    """Something for those who look."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"text": "The log is on /srv."}]})

    text: Words


class SeverityGiven(Body):
    """A severity from 1, the worst, to 4. The reason of the request stays with it."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"severity": 1}]})

    severity: Annotated[int, Field(ge=1, le=4)]


class LossGiven(Body):
    """Seconds that were lost. end: "" while it goes on."""

    start: Time
    end: Time = ""
    impact: Impact = "1"


class Losses(Body):
    """Everything that was lost; it replaces what was confirmed before."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"losses": [{"start": "2026-01-01T08:00:00Z", "end": "2026-01-01T08:30:00Z"}]}
            ]
        }
    )

    losses: Annotated[list[LossGiven], Field(max_length=MAX_LOSSES)]
    zone: Zone = UTC_NAME


class ClientsGiven(Body):
    """The Client IDs that it concerns; none stands for all."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"clients": [1]}]})

    clients: Annotated[list[Annotated[int, Field(ge=1, le=2**53)]], Field(max_length=MAX_CLIENTS)]


class AmendmentGiven(Body):
    """What counts of [start, end). The reason of the request stays with it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"start": "2026-01-01T08:00:00Z", "end": "2026-01-01T08:10:00Z", "impact": "1/2"}
            ]
        }
    )

    start: Time
    end: Time
    impact: Impact
    zone: Zone = UTC_NAME


class HandIn(Body):
    """A history that was begun elsewhere. reference: drawn there, the same for the same one."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "reference": "0123456789abcdef",
                    "records": [
                        {
                            "step": "opened",
                            "at_us": 1767254400000000,
                            "author": {"kind": "prober", "name": "oslo"},
                            "text": "",
                            "detail": {
                                "component": "validation",
                                "title": "Nobody gets an answer",
                                "origin": "probe",
                                "severity": 1,
                                "sentence": "The validation service is unavailable.",
                                "reported_us": 1767254400000000,
                                "customer": None,
                                "public": True,
                            },
                        }
                    ],
                }
            ]
        }
    )

    reference: Annotated[str, Field(max_length=64)]
    records: Annotated[list[dict[str, object]], Field(min_length=1, max_length=_MOST_RECORDS)]
