"""Places for pages: few are made at once, and few wait. Scrapes and probes are not among them.

What makes a page holds the interpreter for as long as it may, so every page at once costs a scrape
as long again. Nor must those that wait fill the places that there are for connections.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from exporter.background import in_daemon
from exporter.web.connections import Sent

_AT_ONCE = 1
_WAITING = 16

Page = Callable[[Request], Response]
"""Makes a page, in a thread."""


class Places:
    """The places that all pages share."""

    def __init__(self) -> None:
        """Have all of them free."""
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0

    def take(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        """Return what makes the page once it has a place; where too many wait, that says so."""

        async def answer(request: Request) -> Response:
            if self._waiting >= _WAITING:
                busy = "Too many pages are asked for at once.\n"
                return PlainTextResponse(busy, 503, headers={"Retry-After": "1"})
            self._waiting += 1
            try:
                await self._turn.acquire()
            finally:
                self._waiting -= 1
            try:
                made = await in_daemon(partial(page, request))
            finally:
                self._turn.release()
            return Sent([bytes(made.body)], made.status_code, made.headers)

        return answer
