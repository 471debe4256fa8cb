"""The routes: what is answered on each path. Knows nothing of sockets, threads or AWS."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import Protocol

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from exporter.web.negotiation import accepts_gzip, choose_format

_CHUNK = 256 * 1024
"""Bytes that are handed to the socket together."""


class Exposition(Protocol):
    """The polled truth, rendered."""

    @property
    def is_fresh(self) -> bool:
        """Whether to give it takes no more than a few milliseconds."""

    def pieces(self, tail: bytes = b"") -> Sequence[bytes]:
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


Reload = Callable[[], Awaitable[str | None]]
"""Loads the configuration anew; gives the reason why it was refused, if it was."""


def app(
    *,
    telemetry_path: str,
    exposition: Exposition,
    own: OwnMetrics,
    health: Health,
    pages: Sequence[BaseRoute] = (),
    reload: Reload | None = None,
) -> Starlette:
    """Give the application, with routes of pages. Unknown paths are 404, wrong methods 405.

    Without `reload` there is no path to ask for one.
    """
    metrics = _Metrics(exposition, own)
    not_ready = "The first round of polls is under way.\n"
    application = Starlette(
        routes=[
            Route(telemetry_path, metrics.__call__),
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
        return PlainTextResponse(f"Not reloaded:\n{refusal}\n", status_code=500)

    return answer


def _is_of_another_site(request: Request) -> bool:
    """Tell whether a browser asks for a page that is not ours.

    It would send the password or the certificate that it has for us all the same. Programs that
    are no browsers send neither of these headers (https://www.w3.org/TR/fetch-metadata/, RFC 6454).
    """
    sites = request.headers.getlist("sec-fetch-site")
    ours = [f"{scheme}://{request.headers.get('host')}" for scheme in ("http", "https")]
    # Either scheme: a proxy in front may end TLS.
    foreign = [origin for origin in request.headers.getlist("origin") if origin not in ours]
    return bool(foreign) or any(site not in {"same-origin", "none"} for site in sites)


class _Metrics:
    """Answers scrapes: at once where little is to be rendered, otherwise in a thread.

    A thread leaves the event loop to the probes meanwhile, but to get the interpreter back from the
    pollers at every step between thread and loop costs more than a fresh exposition does.
    """

    def __init__(self, exposition: Exposition, own: OwnMetrics) -> None:
        self._exposition, self._own = exposition, own
        self._in_threads = 0

    async def __call__(self, request: Request) -> Response:
        # Who renders in a thread holds the exposition: the loop must not wait for it.
        if self._exposition.is_fresh and not self._in_threads:
            return self._answer(request)
        self._in_threads += 1
        try:
            return await run_in_threadpool(self._answer, request)
        finally:
            self._in_threads -= 1

    def _answer(self, request: Request) -> Response:
        form = choose_format(_header(request, "accept"))
        tail = self._own.openmetrics() if form.openmetrics else self._own.text()
        headers = {"Content-Type": form.content_type, "Vary": "Accept, Accept-Encoding"}
        if accepts_gzip(_header(request, "accept-encoding")):
            headers["Content-Encoding"] = "gzip"
            return Response(self._exposition.packed(tail), headers=headers)
        pieces = self._exposition.pieces(tail)
        headers["Content-Length"] = str(sum(map(len, pieces)))
        return StreamingResponse(_chunks(pieces), headers=headers)


async def _chunks(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    """Join pieces to chunks that are worth a write of their own."""
    waiting: list[bytes] = []
    size = 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= _CHUNK:
            yield b"".join(waiting)
            waiting, size = [], 0
    yield b"".join(waiting)


def _header(request: Request, name: str) -> str:
    """Give a list header, whose elements may come on several lines (RFC 9110 section 5.3)."""
    return ",".join(request.headers.getlist(name))


def _probe(
    passes: Callable[[], bool], yes: str, no: str
) -> Callable[[Request], Awaitable[Response]]:
    async def probe(_: Request) -> Response:
        return PlainTextResponse(yes) if passes() else PlainTextResponse(no, status_code=503)

    return probe
