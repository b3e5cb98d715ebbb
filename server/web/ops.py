"""The operations door: metrics, liveness and readiness, on a listener of their own.

`/healthz` says that the process lives and its event loop turns, nothing more: a supervisor that
restarts on it must not restart a service because its database is away. `/readyz` says whether
requests can be decided now; a load balancer takes a node out on it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from aiohttp import hdrs, web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

Check: TypeAlias = Callable[[], Awaitable[object]]
"""Returns when ready and raises when not: NotReadyError with words for the operator."""

Note: TypeAlias = Callable[[], str]
"""Returns words for the operator, "" while there is nothing to say."""

_NO_STORE = {hdrs.CACHE_CONTROL: "no-store"}
_UNREADY = 503


class NotReadyError(Exception):
    """A part of the service is not ready; the message says which way. It is shown as it is."""


def ops_app(
    *,
    registry: CollectorRegistry,
    checks: Mapping[str, Check],
    notes: Mapping[str, Note] | None = None,
    deadline_s: float = 2.0,
) -> web.Application:
    """Return the application of the operations door.

    registry: what /metrics shows; checks: by the name /readyz shows; deadline_s: seconds that
    each check may take before it counts as not ready. notes: what is said there although it
    keeps nobody from deciding. Which checks and notes there are is looked up at each request.
    """
    door = OpsDoor(registry, checks, {} if notes is None else notes, deadline_s)
    app = web.Application()
    app.router.add_get("/metrics", door.metrics)
    app.router.add_get("/healthz", door.health)
    app.router.add_get("/readyz", door.readiness)
    return app


class OpsDoor:
    """Answers the operator's monitoring."""

    def __init__(
        self,
        registry: CollectorRegistry,
        checks: Mapping[str, Check],
        notes: Mapping[str, Note],
        deadline_s: float,
    ) -> None:
        self._registry = registry
        self._checks = checks
        self._notes = notes
        self._deadline_s = deadline_s

    async def metrics(self, _: web.Request) -> web.Response:
        """Show all metrics in Prometheus' text format."""
        headers = {**_NO_STORE, hdrs.CONTENT_TYPE: CONTENT_TYPE_LATEST}
        return web.Response(body=generate_latest(self._registry), headers=headers)

    async def health(self, _: web.Request) -> web.Response:
        """Say that the event loop turns."""
        return web.Response(text="ok\n", headers=_NO_STORE)

    async def readiness(self, _: web.Request) -> web.Response:
        """Run all checks side by side; 503 names those that are not ready, and why."""
        checks = dict(self._checks)
        reasons = await asyncio.gather(*(self._reason(check) for check in checks.values()))
        unready = {name: reason for name, reason in zip(checks, reasons, strict=True) if reason}
        return web.json_response(
            {
                "ready": not unready,
                "checks": list(checks),
                "not_ready": unready,
                "notes": {name: said for name, note in self._notes.items() if (said := note())},
            },
            status=_UNREADY if unready else 200,
            headers=_NO_STORE,
        )

    async def _reason(self, check: Check) -> str:
        """Return why a check is not ready, "" when it is.

        Another exception's message is not shown: it may name hosts, users, paths.
        """
        try:
            async with asyncio.timeout(self._deadline_s):
                await check()
        except TimeoutError:
            return f"no answer within {self._deadline_s:g} s"
        except NotReadyError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - whatever a check raises means "not ready"
            return type(error).__name__
        return ""
