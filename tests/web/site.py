"""An exporter of which a test sets what it knows, behind a real socket, and how its pages read."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # its stubs are a package of their own
from starlette.types import ASGIApp

from exporter.exposition.fleet import Build
from exporter.model import Account, Answer, Failure, Target, Trust
from exporter.web.app import Places, app
from exporter.web.pages import Pages
from exporter.web.server import listen
from tests.statuses import PAYMENTS, snapshot_of, status
from tests.web.serving import Client, Served

HERE, THERE = PAYMENTS.targets()
OURS, STRANGER = "999988887777", "660066006600"
TRUST = Trust(configured=True, accounts=frozenset({OURS}))
PROJECT = Path(__file__).parents[2]
SCHEMA = json.loads((PROJECT / "docs/api/targets.schema.json").read_text(encoding="utf-8"))

Outcomes = Sequence[Answer | Failure]


OWN = b"own_total 2.0\n"


def showing(*, healthy: bool = True, waiting: str = "", **parts: Any) -> ASGIApp:
    """Return the application, with few bytes to show unless it is given an exposition."""

    async def text(tail: Callable[[], bytes]) -> Sequence[bytes]:
        return [b"shown", b" 1.0\n", tail()]

    async def gzip(tail: Callable[[], bytes]) -> Sequence[bytes]:
        return [b"(packed shown 1.0\n", tail(), b")"]

    usual: dict[str, Any] = {
        "exposition": SimpleNamespace(text=text, gzip=gzip),
        "own": SimpleNamespace(text=lambda: OWN, openmetrics=lambda: OWN + b"# EOF\n"),
        "health": SimpleNamespace(healthy=lambda: healthy, waits_for=lambda: waiting),
    }
    return app(telemetry_path="/metrics", **(usual | parts))


class Site:
    """The application with pages, of what a test says is known."""

    def __init__(self) -> None:
        """Serve on a free port."""
        self.polled()
        pages = Pages(
            status=lambda: self.status,
            failures=lambda target: self.snapshot.failures(target),  # noqa: PLW0108 -- of now
            configuration=lambda: "poll:\n  interval: 5m\n# <targets>: 3\n",
            telemetry_path="/metrics",
            build=Build("1.2.3", "abcdef0123456789", "3.13.1"),
        ).routes(Places())
        self.server = Served(showing(pages=pages), listen("127.0.0.1", 0))
        self.server.start()
        self.client = Client(self.server.port)

    def polled(
        self,
        here: Outcomes = (),
        there: Outcomes = (),
        others: Mapping[Target, Outcomes] | None = None,
        *,
        accounts: Sequence[Account] = (PAYMENTS,),
        trust: Trust = TRUST,
        **known: Any,
    ) -> None:
        """Show accounts, of which payments' two regions, and others, were polled like this."""
        polls = {HERE: here, THERE: there, **(others or {})}
        polls = {target: outcomes for target, outcomes in polls.items() if outcomes}
        self.status = status(*accounts, polls=polls, trust=trust, **known)
        self.snapshot = snapshot_of(accounts, polls)

    def text(self, path: str, code: int = 200) -> str:
        """Return a page, which nobody may keep."""
        return self._body(path, code, "text/html; charset=utf-8")

    def words(self, path: str, code: int = 200) -> str:
        """Return a page's words, as they are read."""
        reader = _Words()
        reader.feed(self.text(path, code))
        # Typographic characters as keyboards have them.
        said = " ".join(" ".join(reader.words).split()).translate({0x2013: "-", 0x2019: "'"})
        return re.sub(r" ([.,:])", r"\1", said)

    def says(self, path: str, *phrases: str, code: int = 200) -> None:
        """Require that a page's words have some in them."""
        _require(phrases, self.words(path, code))

    def shows(self, path: str, *pieces: str) -> None:
        """Require that a page has some pieces of HTML in it."""
        _require(pieces, self.text(path))

    def verdict(self) -> str:
        """Return what the first page says, after how bad that is."""
        (said,) = re.findall(r'class="verdict (\w+)".*\n<h2[^>]*>(.*)</h2>', self.text("/"))
        return ": ".join(said)

    def json(self, query: str = "", code: int = 200) -> Any:
        """Return what the API answers, which is as its schema says."""
        document = json.loads(self._body(f"/api/v1/targets{query}", code, "application/json"))
        jsonschema.Draft202012Validator(SCHEMA).validate(document)
        return document

    def _body(self, path: str, code: int, content_type: str) -> str:
        answer = self.client(path)
        assert answer.status == code, answer.body
        assert answer.headers["content-type"] == content_type
        assert answer.headers["cache-control"] == "private, no-cache"
        return answer.body.decode()


def _require(pieces: Sequence[str], text: str) -> None:
    missing = [piece for piece in pieces if piece not in text]
    assert not missing, f"{missing} is not in\n{text}"


class _Words(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []

    def handle_data(self, data: str) -> None:
        self.words.append(data)
