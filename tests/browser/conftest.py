"""The demo's story behind a running exporter, and the system's Chromium that looks at it."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

from exporter.demo.story import Story
from tests.processes import Exporter, running
from tests.stories import begin, told

REFUSED = "Failed to load resource: the server responded with a status of 4"
"""What Chromium says of a page that is 404 or 400, as it should be."""

_PATIENCE = 60_000
"""Milliseconds that a page has for what is expected of it, on a machine with other things to do."""
expect.set_options(timeout=_PATIENCE)

NewPage = Callable[..., Page]


@dataclass(frozen=True)
class Demo:
    """The demo as it runs: its story, which tests may change, and its exporter."""

    story: Story
    exporter: Exporter
    url: str


@pytest.fixture(scope="module")
def demo(chromium: Path) -> Iterator[Demo]:
    """The demo's organization, in which nothing moves by itself."""
    del chromium  # Without it nothing has to be started.
    story = begin()
    # What fails there stays so, however long the tests take.
    flags = ["--poll.stale-after=1h"]
    with told(story) as variables, running(variables, flags) as exporter:
        exporter.wait_until_ready()
        yield Demo(story, exporter, f"http://127.0.0.1:{exporter.port}")


# Not for the session: an event loop runs meanwhile, and other tests may want their own.
@pytest.fixture(scope="module")
def browser(chromium: Path) -> Iterator[Browser]:
    """Debian's Chromium, as root in a container too."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def new_page(browser: Browser, demo: Demo) -> Iterator[NewPage]:
    """Opens pages; none may say an error, or ask anybody but the exporter for anything."""
    wrong: list[str] = []

    def note_message(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not message.text.startswith(REFUSED):
            wrong.append(f"{message.type}: {message.text}")

    def note_request(request: Request) -> None:
        if not request.url.startswith(f"{demo.url}/"):
            wrong.append(f"asked for {request.url}")

    with contextlib.ExitStack() as contexts:

        def make(**options: Any) -> Page:
            options = {"viewport": {"width": 1280, "height": 800}, **options}
            context = browser.new_context(base_url=demo.url, **options)
            contexts.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(_PATIENCE)
            page.on("console", note_message)
            page.on("pageerror", lambda error: wrong.append(f"thrown: {error}"))
            page.on("request", note_request)
            return page

        yield make
    assert wrong == []


@pytest.fixture
def page(new_page: NewPage) -> Page:
    """A page of usual size, with scripts."""
    return new_page()
