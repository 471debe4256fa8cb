"""The routes: what is answered on each path. Knows nothing of sockets, threads or AWS."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from exporter.background import in_daemon
from exporter.visible import visible_lines
from exporter.web.connections import Sent
from exporter.web.negotiation import OPENMETRICS, accepts_gzip, choose_format


class Exposition(Protocol):
    """The polled truth, rendered."""

    async def text(self, tail: Callable[[], bytes]) -> Sequence[bytes]:
        """Return it as text in pieces, then the tail as of the same moment.

        Gauges alone, so that both formats write it alike.
        """

    async def gzip(self, tail: Callable[[], bytes]) -> Sequence[bytes]:
        """Return the same as a gzip file, in pieces."""


class OwnMetrics(Protocol):
    """The exporter's own counters, rendered."""

    def text(self) -> bytes:
        """Return them in the text format."""

    def openmetrics(self) -> bytes:
        """Return them in OpenMetrics, with its end mark."""


class Health(Protocol):
    """How the exporter is doing."""

    def healthy(self) -> bool:
        """Return whether polling goes on."""

    def waits_for(self) -> str:
        """Return what has to happen before every target has been polled once; empty once it has."""


_AT_ONCE, _WAITING = 1, 16
"""Pages."""

Reload = Callable[[], Awaitable[str | None]]
"""Loads the configuration anew; returns the reason why it was refused, if it was."""

Endpoint = Callable[[Request], Awaitable[Response]]


def app(
    *,
    telemetry_path: str,
    exposition: Exposition,
    own: OwnMetrics,
    health: Health,
    pages: Sequence[BaseRoute] = (),
    reload: Reload | None = None,
) -> Starlette:
    """Return the application, with routes of pages. Unknown paths are 404, wrong methods 405.

    Without `reload` there is no path to ask for one.
    """

    async def healthy(_: Request) -> Response:
        if health.healthy():
            return PlainTextResponse("Healthy.\n")
        return PlainTextResponse("Polling has stopped.\n", 503)

    async def ready(_: Request) -> Response:
        if still := health.waits_for():
            return PlainTextResponse(f"Waiting for {still}.\n", 503)
        return PlainTextResponse("Ready.\n")

    application = Starlette(
        routes=[
            Route(telemetry_path, _metrics(exposition, own)),
            Route("/-/healthy", healthy),
            Route("/-/ready", ready),
            *pages,
            *([Route("/-/reload", _reloading(reload), methods=["POST"])] if reload else []),
        ],
    )
    # /metrics/ is not /metrics: a redirect would hide a mistake in the scrape configuration.
    application.router.redirect_slashes = False
    return application


class Places:
    """The places that all pages share; scrapes and probes are not among them.

    What makes a page holds the interpreter for as long as it may, so every page at once costs a
    scrape as long again. Nor must those that wait fill the places that there are for connections.
    """

    def __init__(self) -> None:
        """Have all of them free."""
        self._turn, self._asked = asyncio.Semaphore(_AT_ONCE), 0

    def take(self, page: Callable[[Request], Response]) -> Endpoint:
        """Return what makes a page, in a thread, once it has a place; 503 where too many wait."""

        async def answer(request: Request) -> Response:
            if self._asked >= _AT_ONCE + _WAITING:
                busy = "Too many pages are asked for at once.\n"
                return PlainTextResponse(busy, 503, {"Retry-After": "1"})
            self._asked += 1
            try:
                async with self._turn:
                    made = await in_daemon(partial(page, request))
            finally:
                self._asked -= 1
            return Sent([bytes(made.body)], made.status_code, made.headers)

        return answer


def _metrics(exposition: Exposition, own: OwnMetrics) -> Endpoint:
    async def answer(request: Request) -> Response:
        form = choose_format(_header(request, "accept"))
        tail = own.openmetrics if form == OPENMETRICS else own.text
        headers = {"Content-Type": form, "Vary": "Accept, Accept-Encoding"}
        if accepts_gzip(_header(request, "accept-encoding")):
            return Sent(await exposition.gzip(tail), 200, {**headers, "Content-Encoding": "gzip"})
        return Sent(await exposition.text(tail), 200, headers)

    return answer


def _header(request: Request, name: str) -> str:
    """Return a list header, whose elements may come on several lines (RFC 9110 section 5.3)."""
    return ",".join(request.headers.getlist(name))


def _reloading(reload: Reload) -> Endpoint:
    async def answer(request: Request) -> Response:
        if _is_of_another_site(request):
            return PlainTextResponse("Not reloaded:\na page of another site asked for it\n", 403)
        refusal = await reload()
        if refusal is None:
            return PlainTextResponse("Reloaded.\n")
        return PlainTextResponse(f"Not reloaded:\n{visible_lines(refusal)}\n", 500)

    return answer


def _is_of_another_site(request: Request) -> bool:
    """Return whether a browser asks for a page that is not ours.

    It would send the password or the certificate that it has for us all the same. Programs that
    are no browsers send neither of these headers (https://www.w3.org/TR/fetch-metadata/, RFC 6454).
    """
    # Either scheme: a proxy in front may end TLS.
    ours = {f"{scheme}://{request.headers.get('host')}" for scheme in ("http", "https")}
    origins, sites = map(request.headers.getlist, ("origin", "sec-fetch-site"))
    return not (ours.issuperset(origins) and {"same-origin", "none"}.issuperset(sites))
