"""The routes: what is answered on each path. Knows nothing of sockets, threads or AWS."""

from collections.abc import Awaitable, Callable
from html import escape
from typing import Protocol

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from exporter.web.negotiation import accepts_gzip, choose_format


class Exposition(Protocol):
    """The polled truth, rendered."""

    def text(self, tail: bytes = b"") -> bytes:
        """Give it as text, then the tail; gauges alone, so that both formats write it alike."""

    def packed(self, tail: bytes = b"") -> bytes:
        """Give the same as a gzip file."""


class OwnMetrics(Protocol):
    """The exporter's own counters, rendered."""

    def text(self) -> bytes:
        """Give them in the text format."""

    def openmetrics(self) -> bytes:
        """Give them in OpenMetrics, with its end mark."""


class Health(Protocol):
    """How the exporter is doing."""

    def healthy(self) -> bool:
        """Tell whether polling goes on."""

    def ready(self) -> bool:
        """Tell whether every target has been polled once since start."""


Reload = Callable[[], str | None]
"""Loads the configuration anew; gives the reason why it was refused, if it was."""


def app(
    *,
    telemetry_path: str,
    version: str,
    exposition: Exposition,
    own: OwnMetrics,
    health: Health,
    reload: Reload | None = None,
) -> Starlette:
    """Give the application. Unknown paths are 404, wrong methods 405.

    Without `reload` there is no path to ask for one.
    """
    page = _landing_page(telemetry_path, version)

    async def landing(_: Request) -> Response:
        return HTMLResponse(page)

    not_ready = "The first round of polls is under way.\n"
    application = Starlette(
        routes=[
            Route(telemetry_path, _metrics(exposition, own)),
            Route("/-/healthy", _probe(health.healthy, "Healthy.\n", "Polling has stopped.\n")),
            Route("/-/ready", _probe(health.ready, "Ready.\n", not_ready)),
            Route("/", landing),
            *([Route("/-/reload", _reloading(reload), methods=["POST"])] if reload else []),
        ],
    )
    # /metrics/ is not /metrics: a redirect would hide a mistake in the scrape configuration.
    application.router.redirect_slashes = False
    return application


def _reloading(reload: Reload) -> Callable[[Request], Response]:
    def answer(_: Request) -> Response:
        reason = reload()
        if reason is None:
            return PlainTextResponse("Reloaded.\n")
        return PlainTextResponse(f"Not reloaded:\n{reason}\n", status_code=500)

    return answer


def _metrics(exposition: Exposition, own: OwnMetrics) -> Callable[[Request], Response]:
    # Not async, so that Starlette runs it in a thread and answers probes meanwhile.
    def metrics(request: Request) -> Response:
        form = choose_format(_header(request, "accept"))
        tail = own.openmetrics() if form.openmetrics else own.text()
        headers = {"Content-Type": form.content_type, "Vary": "Accept, Accept-Encoding"}
        if accepts_gzip(_header(request, "accept-encoding")):
            headers["Content-Encoding"] = "gzip"
            return Response(exposition.packed(tail), headers=headers)
        return Response(exposition.text(tail), headers=headers)

    return metrics


def _header(request: Request, name: str) -> str:
    """Give a list header, whose elements may come on several lines (RFC 9110 section 5.3)."""
    return ",".join(request.headers.getlist(name))


def _probe(
    passes: Callable[[], bool], yes: str, no: str
) -> Callable[[Request], Awaitable[Response]]:
    async def probe(_: Request) -> Response:
        return PlainTextResponse(yes) if passes() else PlainTextResponse(no, status_code=503)

    return probe


def _landing_page(telemetry_path: str, version: str) -> str:
    links = "".join(
        f'<li><a href="{escape(path)}">{escape(path)}</a> {escape(text)}</li>'
        for path, text in (
            (telemetry_path, "the metrics"),
            ("/-/healthy", "whether polling goes on"),
            ("/-/ready", "whether every target has been polled once"),
        )
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        "<title>Macie invitations exporter</title></head>"
        f"<body><h1>Macie invitations exporter</h1><p>Version {escape(version)}</p>"
        f"<ul>{links}</ul></body></html>\n"
    )
