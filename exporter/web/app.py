"""The routes: what is answered on each path. Knows nothing of sockets, threads or AWS."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from exporter.visible import visible_lines
from exporter.web.negotiation import OPENMETRICS, accepts_gzip, choose_format
from exporter.web.sending import Sent


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

    def ready(self) -> bool:
        """Return whether every target has been polled once since start."""


Reload = Callable[[], Awaitable[str | None]]
"""Loads the configuration anew; returns the reason why it was refused, if it was."""


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
    not_ready = "Not all targets have been found and polled yet.\n"
    application = Starlette(
        routes=[
            Route(telemetry_path, _metrics(exposition, own)),
            Route("/-/healthy", _probe(health.healthy, "Healthy.\n", "Polling has stopped.\n")),
            Route("/-/ready", _probe(health.ready, "Ready.\n", not_ready)),
            *pages,
            *([Route("/-/reload", _reloading(reload), methods=["POST"])] if reload else []),
        ],
    )
    # /metrics/ is not /metrics: a redirect would hide a mistake in the scrape configuration.
    application.router.redirect_slashes = False
    return application


def _reloading(reload: Reload) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        if _is_of_another_site(request):
            reason = "a page of another site asked for it"
            return PlainTextResponse(f"Not reloaded:\n{reason}\n", status_code=403)
        refusal = await reload()
        if refusal is None:
            return PlainTextResponse("Reloaded.\n")
        return PlainTextResponse(f"Not reloaded:\n{visible_lines(refusal)}\n", status_code=500)

    return answer


def _is_of_another_site(request: Request) -> bool:
    """Return whether a browser asks for a page that is not ours.

    It would send the password or the certificate that it has for us all the same. Programs that
    are no browsers send neither of these headers (https://www.w3.org/TR/fetch-metadata/, RFC 6454).
    """
    sites = request.headers.getlist("sec-fetch-site")
    ours = [f"{scheme}://{request.headers.get('host')}" for scheme in ("http", "https")]
    # Either scheme: a proxy in front may end TLS.
    foreign = [origin for origin in request.headers.getlist("origin") if origin not in ours]
    return bool(foreign) or any(site not in {"same-origin", "none"} for site in sites)


def _metrics(exposition: Exposition, own: OwnMetrics) -> Callable[[Request], Awaitable[Response]]:
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


def _probe(
    passes: Callable[[], bool], yes: str, no: str
) -> Callable[[Request], Awaitable[Response]]:
    async def probe(_: Request) -> Response:
        return PlainTextResponse(yes) if passes() else PlainTextResponse(no, status_code=503)

    return probe
