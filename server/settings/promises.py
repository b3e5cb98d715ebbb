"""What is promised and told: availability, incidents, maintenance, the status page."""

from datetime import date
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from server.incidents.components import Component
from server.settings.kinds import Section, absolute_path, as_tuple, one_line, zone_name


class Uptime(Section):
    """How the contractual availability is counted."""

    min_requests: Annotated[
        int,
        Field(
            ge=1,
            le=1_000_000,
            description="a minute with fewer requests takes the probes' result",
            examples=[5],
        ),
    ] = 1
    zone: Annotated[
        str,
        AfterValidator(zone_name),
        Field(description="on whose wall months and quarters begin", examples=["Europe/Stockholm"]),
    ] = "UTC"
    kept_days: Annotated[
        int,
        Field(
            ge=400,
            le=36_500,
            description="rolled-up minutes older than this are removed",
            examples=[3_660],
        ),
    ] = 3_660


class Maintenance(Section):
    """When announced maintenance is left out of availability."""

    notice_seconds: Annotated[
        int,
        Field(
            ge=0,
            le=31 * 86_400,
            description="maintenance counts if it was announced more than so long before its start",
            examples=[259_200],
        ),
    ] = 0


class Incidents(Section):
    """By which calendar the clocks of incidents are reckoned (Priority Support Schedule)."""

    entity: Annotated[
        Literal["inc", "ab"],
        Field(
            description='whom plans are with: "inc" (California) or "ab" (Stockholm)',
            examples=["ab"],
        ),
    ] = "inc"
    calendar: Annotated[
        Literal["", "us-federal", "us-federal-unobserved", "us-ca", "se-public", "se-de-facto"],
        Field(
            description='whose public holidays are no Business Days; "": the entity\'s own',
            examples=["se-de-facto"],
        ),
    ] = ""
    reading: Annotated[
        Literal["elapsed", "end-of-day"],
        Field(
            description="what a Business Day of a response is: twelve Business Hours gone by, or"
            " the close of the next Business Day",
            examples=["elapsed"],
        ),
    ] = "elapsed"
    rules: Annotated[
        tuple[Literal["probe", "burn-rate", "lost-redundancy", "hsm-alarm"], ...],
        BeforeValidator(as_tuple),
        Field(
            description="which rules open incidents by themselves",
            examples=[["probe", "hsm-alarm"]],
        ),
    ] = ("probe", "burn-rate", "lost-redundancy", "hsm-alarm")
    regulatory: Annotated[
        tuple[Literal["nis2", "dora"], ...],
        BeforeValidator(as_tuple),
        Field(
            description="authorities' clocks that run once a person says that an incident has to be"
            " reported there",
            examples=[["nis2"]],
        ),
    ] = ()


class Notices(Section):
    """Who is called and told: the notice board is a file of its own."""

    file: Annotated[
        str | None,
        AfterValidator(absolute_path),
        Field(
            description="a TOML file: who is on call, who is told, and by which ways; nobody is"
            " told anything without this line",
            examples=["/etc/keystead/notices.toml"],
        ),
    ] = None
    kept_days: Annotated[
        int,
        Field(
            ge=30,
            le=36_500,
            description="what was told is kept so long, with addresses; that it was told, for good",
            examples=[400],
        ),
    ] = 400


def _page_url(text: str | None) -> str | None:
    if text is None:
        return None
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("write a whole address, https://HOST/status, without ? or #")
    return text.rstrip("/")


def _each_once(components: tuple[Component, ...]) -> tuple[Component, ...]:
    if len(set(components)) != len(components):
        raise ValueError("name each component once")
    return components


class StatusPage(Section):
    """What the status page at /status shows, and where it says it is."""

    name: Annotated[
        str,
        AfterValidator(one_line),
        Field(
            min_length=1,
            max_length=60,
            description="what the service is called on the status page",
            examples=["Example OTP"],
        ),
    ] = "OTP service"
    url: Annotated[
        str | None,
        AfterValidator(_page_url),
        Field(
            description="where everybody finds the status page: links in feeds and JSON begin with"
            " it; the verification door's address when it is not set",
            examples=["https://otp.example.org/status"],
        ),
    ] = None
    components: Annotated[
        tuple[Annotated[Component, Field(strict=False)], ...],
        BeforeValidator(as_tuple),
        AfterValidator(_each_once),
        Field(
            min_length=1,
            description="what is shown, in this order: validation, upload, api-keys, provisioning",
            examples=[["validation", "upload"]],
        ),
    ] = (Component.VALIDATION,)
    term_begins: Annotated[
        date,
        Field(
            strict=False,
            description="a first day of the term whose availability is shown; a term has twelve"
            " months, and the next one follows",
            examples=["2026-03-01"],
        ),
    ] = date(2026, 1, 1)


class Ledger(Section):
    """How long payloads that may name people are kept; figures, and the chain, stay for good."""

    incidents_days: Annotated[
        int,
        Field(
            ge=400,
            le=36_500,
            description="steps of incidents: erased after so long",
            examples=[3_660],
        ),
    ] = 3_660
    notices_days: Annotated[
        int,
        Field(
            ge=400,
            le=36_500,
            description="that somebody was told: erased after so long",
            examples=[3_660],
        ),
    ] = 3_660
    reports_days: Annotated[
        int,
        Field(
            ge=400,
            le=36_500,
            description="published reports: erased after so long",
            examples=[3_660],
        ),
    ] = 3_660
