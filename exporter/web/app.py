"""The routes: what is answered on each path. Knows nothing of sockets, threads or AWS."""

import gzip
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

    def text(self) -> bytes:
        """Give it as text; gauges alone, so that both formats write it alike."""

    def packed(self) -> bytes:
        """Give the same as gzip members."""


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


def app(
    *, telemetry_path: str, version: str, exposition: Exposition, own: OwnMetrics, health: Health
) -> Starlette:
    """Give the application. Unknown paths are 404, wrong methods 405."""

    def metrics(request: Request) -> Response:
        form = choose_format(request.headers.get("accept", ""))
        tail = own.openmetrics() if form.openmetrics else own.text()
        headers = {"Content-Type": form.content_type, "Vary": "Accept, Accept-Encoding"}
        if accepts_gzip(request.headers.get("accept-encoding", "")):
            body = exposition.packed() + gzip.compress(tail, 1, mtime=0)
            return Response(body, headers=headers | {"Content-Encoding": "gzip"})
        return Response(exposition.text() + tail, headers=headers)

    page = _landing_page(telemetry_path, version)

    async def landing(_: Request) -> Response:
        return HTMLResponse(page)

    return Starlette(
        routes=[
            Route(telemetry_path, metrics),
            Route("/-/healthy", _probe(health.healthy, "Healthy.\n", "Polling has stopped.\n")),
            Route("/-/ready", _probe(health.ready, "Ready.\n", "The first round of polls is under way.\n")),
            Route("/", landing),
        ],
    )


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
