"""What is answered on each path, over a real socket."""

import asyncio
import http.client
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from exporter.web.app import app
from exporter.web.listening import listen
from tests.web.conftest import Client, Health, Own, Shown
from tests.web.serving import Served


def test_metrics_as_text(client: Client) -> None:
    """Who asks for nothing in particular gets the text format, as it is."""
    answer = client.ok("/metrics")
    assert answer.body == b"shown 1.0\nown_total 2.0\n"
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["vary"] == "Accept, Accept-Encoding"
    assert "content-encoding" not in answer.headers


def test_metrics_as_openmetrics(client: Client) -> None:
    """Who names OpenMetrics gets it, with its end mark."""
    answer = client.ok("/metrics", Accept="application/openmetrics-text;version=1.0.0")
    assert answer.body == b"shown 1.0\nown_total 2.0\n# EOF\n"
    assert answer.headers["content-type"] == (
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    )


def test_metrics_compressed(client: Client) -> None:
    """Who accepts gzip gets what the exposition has packed, the tail included."""
    answer = client.ok("/metrics", Accept_Encoding="gzip")
    assert answer.body == b"(packed shown 1.0\nown_total 2.0\n)"
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


def test_headers_on_several_lines(client: Client) -> None:
    """A list that a proxy has split over several lines is read as one."""
    connection = http.client.HTTPConnection(client.host, client.port, timeout=10)
    connection.putrequest("GET", "/metrics", skip_accept_encoding=True)
    connection.putheader("Accept", "text/plain;q=0.5")
    connection.putheader("Accept", "application/openmetrics-text")
    connection.putheader("Accept-Encoding", "br")
    connection.putheader("Accept-Encoding", "gzip")
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.read() == b"(packed shown 1.0\nown_total 2.0\n# EOF\n)"
    connection.close()


@pytest.mark.parametrize("header", ["\xff", "a" * 8000, ";;,,==", "q=1"])
def test_odd_headers_get_text(client: Client, header: str) -> None:
    """Whatever a client sends, it gets the metrics."""
    assert client.ok("/metrics", Accept=header, Accept_Encoding=header).body.startswith(b"shown")


@pytest.mark.parametrize("path", ["/metrics", "/-/healthy", "/-/ready"])
def test_head(client: Client, path: str) -> None:
    """HEAD gives the headers of GET and no body."""
    get, head = client(path), client(path, "HEAD")
    assert (head.status, head.body) == (200, b"")
    for name in ("content-type", "content-length"):
        assert head.headers[name] == get.headers[name]


def test_probes_when_all_is_well(client: Client) -> None:
    """Healthy and ready are 200."""
    assert client.ok("/-/healthy").body == b"Healthy.\n"
    assert client.ok("/-/ready").body == b"Ready.\n"


def test_healthy_only_while_polling_goes_on(client: Client, health: Health) -> None:
    """A poller that has stopped is 503; being ready is another matter."""
    health.is_healthy = False
    answer = client("/-/healthy")
    assert (answer.status, answer.body) == (503, b"Polling has stopped.\n")
    assert client("/-/ready").status == 200


def test_ready_only_after_the_first_round(client: Client, health: Health) -> None:
    """The first round under way is 503; the process is healthy meanwhile."""
    health.is_ready = False
    answer = client("/-/ready")
    assert (answer.status, answer.body) == (
        503,
        b"Not all targets have been found and polled yet.\n",
    )
    assert client("/-/healthy").status == 200


def test_pages_stand_beside_the_metrics() -> None:
    """Routes that are handed in are answered; without them the root is not found."""
    page = Route("/", lambda _: PlainTextResponse("a page"))
    for pages, status in (((page,), 200), ((), 404)):
        application = app(
            telemetry_path="/metrics", exposition=Shown(), own=Own(), health=Health(), pages=pages
        )
        server = Served(application, listen("127.0.0.1", 0))
        server.start()
        assert Client(server.port)("/").status == status
        server.stop(5)


@pytest.mark.parametrize(
    "path",
    [
        "/metrics/",
        "//metrics",
        "/Metrics",
        "/metricsx",
        "/-/reload",
        "/-/",
        "/-/ready/",
        "/x?/metrics",
    ],
)
def test_anything_else_is_not_found(client: Client, path: str) -> None:
    """What is not exactly one of the paths is 404, and no redirect."""
    assert client(path).status == 404


def test_a_query_is_no_other_path(client: Client) -> None:
    """Prometheus may add parameters."""
    assert client("/metrics?x=1").status == 200


@pytest.mark.parametrize("path", ["/metrics", "/-/healthy", "/-/ready"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "FUNNY"])
def test_wrong_methods(client: Client, path: str, method: str) -> None:
    """A wrong method is 405, and the right ones are named."""
    answer = client(path, method)
    assert answer.status == 405
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}


@pytest.fixture
def reloaded() -> Iterator[tuple[Client, list[str | None]]]:
    """A client of a server that may be told to reload, and what the next reloads come to."""
    outcomes: list[str | None] = []

    async def reload() -> str | None:
        return outcomes.pop()

    application = app(
        telemetry_path="/metrics",
        exposition=Shown(),
        own=Own(),
        health=Health(),
        reload=reload,
    )
    server = Served(application, listen("127.0.0.1", 0))
    server.start()
    yield Client(server.port), outcomes
    server.stop(5)


def test_reload(reloaded: tuple[Client, list[str | None]]) -> None:
    """A reload that is accepted is 200, one that is refused 500 with the reason."""
    client, outcomes = reloaded
    outcomes[:] = ["poll.interval: too short", None]
    answer = client("/-/reload", "POST")
    assert (answer.status, answer.body) == (200, b"Reloaded.\n")
    answer = client("/-/reload", "POST")
    assert (answer.status, answer.body) == (500, b"Not reloaded:\npoll.interval: too short\n")


def test_a_refusal_is_shown_as_what_it_is(reloaded: tuple[Client, list[str | None]]) -> None:
    """Whoever reloads by curl looks at it in a terminal."""
    client, outcomes = reloaded
    outcomes[:] = ["a\x1b[2J: no\nb\u202e: no"]
    body = client("/-/reload", "POST").body.decode()
    assert body == "Not reloaded:\na\\u001b[2J: no\nb\\u202e: no\n"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
def test_only_post_reloads(reloaded: tuple[Client, list[str | None]], method: str) -> None:
    """Looking at the path changes nothing."""
    answer = reloaded[0]("/-/reload", method)
    assert (answer.status, answer.headers["allow"]) == (405, "POST")


FOREIGN: tuple[dict[str, str], ...] = (
    {"Origin": "http://evil.example"},
    {"Origin": "https://evil.example:10058", "Sec_Fetch_Site": "cross-site"},
    {"Origin": "null"},
    {"Origin": ""},
    {"Origin": "http://127.0.0.1"},
    {"Origin": "http://127.0.0.1.evil.example:{port}"},
    {"Origin": "http://evil.example@127.0.0.1:{port}"},
    {"Sec_Fetch_Site": "cross-site"},
    {"Sec_Fetch_Site": "same-site"},
    {"Origin": "http://127.0.0.1:{port}", "Sec_Fetch_Site": "cross-site"},
)
OWN: tuple[dict[str, str], ...] = (
    {},
    {"Origin": "http://127.0.0.1:{port}"},
    {"Origin": "https://127.0.0.1:{port}", "Sec_Fetch_Site": "same-origin"},
    {"Sec_Fetch_Site": "none"},
)


@pytest.mark.parametrize("headers", [*FOREIGN, *OWN], ids=str)
def test_no_page_of_another_site_reloads(
    reloaded: tuple[Client, list[str | None]], headers: dict[str, str]
) -> None:
    """A browser says whose page asks, and sends the password that it knows all the same."""
    client, outcomes = reloaded
    outcomes[:] = [None]
    named = {name: value.format(port=client.port) for name, value in headers.items()}
    answer = client("/-/reload", "POST", **named)
    if headers in OWN:
        assert (answer.status, outcomes) == (200, [])
    else:
        assert (answer.status, outcomes) == (403, [None])
        assert answer.body == b"Not reloaded:\na page of another site asked for it\n"


class Slow(Shown):
    """An exposition that takes until the test lets it go."""

    def __init__(self) -> None:
        self.asked, self.may_answer = threading.Semaphore(0), threading.Event()

    async def gzip(self, tail: Callable[[], bytes]) -> Sequence[bytes]:
        """Return it packed, some day."""
        self.asked.release()
        assert await asyncio.to_thread(self.may_answer.wait, 10)
        return await super().gzip(tail)


def test_a_slow_scrape_does_not_keep_the_probes_waiting() -> None:
    """Nor does one keep another waiting."""
    slow = Slow()
    application = app(telemetry_path="/metrics", exposition=slow, own=Own(), health=Health())
    server = Served(application, listen("127.0.0.1", 0))
    server.start()
    client = Client(server.port)
    with ThreadPoolExecutor() as pool:
        try:
            first = pool.submit(client.ok, "/metrics", Accept_Encoding="gzip")
            assert slow.asked.acquire(timeout=10)
            second = pool.submit(client.ok, "/metrics", Accept_Encoding="gzip")
            assert slow.asked.acquire(timeout=10)
            assert client.ok("/-/healthy").body == b"Healthy.\n"
        finally:
            slow.may_answer.set()
        assert first.result(10).body == second.result(10).body
    server.stop(5)


def test_a_large_text_comes_whole() -> None:
    """Its pieces are sent one after the other, under a length that was known before."""

    class Large(Shown):
        async def text(self, tail: Callable[[], bytes]) -> Sequence[bytes]:
            return [b"%07d\n" % n * 5000 for n in range(50)] + [tail()]

    application = app(telemetry_path="/metrics", exposition=Large(), own=Own(), health=Health())
    server = Served(application, listen("127.0.0.1", 0))
    server.start()
    answer = Client(server.port).ok("/metrics")
    server.stop(5)
    assert answer.body == b"".join(asyncio.run(Large().text(Own().text)))
    assert answer.headers["content-length"] == str(len(answer.body))
