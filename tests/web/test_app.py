"""What is answered on each path, over a real socket."""

from contextlib import closing

import pytest
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from tests.web.conftest import Health, Serve, showing
from tests.web.serving import Client

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


@pytest.fixture
def client(serve: Serve) -> Client:
    """A client of an exporter that is well."""
    return Client(serve(showing()).port)


def test_metrics(client: Client) -> None:
    """Text for who asks for nothing, OpenMetrics with its end mark and gzip for who names them."""
    answer = client.ok("/metrics")
    assert answer.body == b"shown 1.0\nown_total 2.0\n"
    assert answer.headers["content-type"] == TEXT
    assert answer.headers["vary"] == "Accept, Accept-Encoding"
    assert "content-encoding" not in answer.headers
    answer = client.ok("/metrics?x=1", Accept="application/openmetrics-text;version=1.0.0")
    assert answer.body == b"shown 1.0\nown_total 2.0\n# EOF\n"
    assert answer.headers["content-type"] == OPENMETRICS
    answer = client.ok("/metrics", Accept_Encoding="gzip")
    assert answer.body == b"(packed shown 1.0\nown_total 2.0\n)"
    assert (answer.headers["content-encoding"], answer.headers["content-type"]) == ("gzip", TEXT)


def test_headers_on_several_lines(client: Client) -> None:
    """A list that a proxy has split over several lines is read as one."""
    with closing(client.connection()) as connection:
        connection.putrequest("GET", "/metrics", skip_accept_encoding=True)
        connection.putheader("Accept", "text/plain;q=0.5")
        connection.putheader("Accept", "application/openmetrics-text")
        connection.putheader("Accept-Encoding", "br")
        connection.putheader("Accept-Encoding", "gzip")
        connection.endheaders()
        assert connection.getresponse().read() == b"(packed shown 1.0\nown_total 2.0\n# EOF\n)"


@pytest.mark.parametrize("path", ["/metrics", "/-/healthy", "/-/ready"])
def test_methods(client: Client, path: str) -> None:
    """HEAD gives the headers of GET and no body; any other is 405, and the right ones are named."""
    get, head = client(path), client(path, "HEAD")
    assert (head.status, head.body) == (200, b"")
    for name in ("content-type", "content-length"):
        assert head.headers[name] == get.headers[name]
    for method in ("POST", "OPTIONS", "FUNNY"):
        answer = client(path, method)
        assert answer.status == 405
        assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}


@pytest.mark.parametrize(
    ("health", "healthy", "ready"),
    [
        (Health(), (200, b"Healthy.\n"), (200, b"Ready.\n")),
        (Health(is_healthy=False), (503, b"Polling has stopped.\n"), (200, b"Ready.\n")),
        (
            Health(waiting="the first round of polls"),
            (200, b"Healthy.\n"),
            (503, b"Waiting for the first round of polls.\n"),
        ),
    ],
)
def test_probes(
    serve: Serve, health: Health, healthy: tuple[int, bytes], ready: tuple[int, bytes]
) -> None:
    """Healthy while polling goes on; ready, which is another matter, after the first round."""
    client = Client(serve(showing(health=health)).port)
    for path, expected in (("/-/healthy", healthy), ("/-/ready", ready)):
        answer = client(path)
        assert (answer.status, answer.body) == expected


def test_pages_stand_beside_the_metrics(serve: Serve, client: Client) -> None:
    """Routes that are handed in are answered; without them the root is not found."""
    page = Route("/", lambda _: PlainTextResponse("a page"))
    assert Client(serve(showing(pages=[page])).port).ok("/").body == b"a page"
    assert client("/").status == 404


ABSENT = "/metrics/ //metrics /Metrics /metricsx /-/reload /-/ /-/ready/ /x?/metrics"


@pytest.mark.parametrize("path", ABSENT.split())
def test_anything_else_is_not_found(client: Client, path: str) -> None:
    """What is not exactly one of the paths is 404, and no redirect."""
    assert client(path).status == 404


class Reloads:
    """What reloads come to, one after the other."""

    def __init__(self, *outcomes: str | None) -> None:
        self.left = [*outcomes]

    async def __call__(self) -> str | None:
        """Return what the next one comes to."""
        return self.left.pop(0)


def test_reload(serve: Serve) -> None:
    """By POST alone: 200 where it is accepted, 500 with the reason where it is refused.

    The reason is shown as what it is: whoever reloads by curl looks at it in a terminal.
    """
    reload = Reloads(None, "a\x1b[2J: no\nb\u202e: no")
    client = Client(serve(showing(reload=reload)).port)
    for method in ("GET", "HEAD", "PUT"):
        answer = client("/-/reload", method)
        assert (answer.status, answer.headers["allow"]) == (405, "POST")
    answers = [client("/-/reload", "POST") for _ in range(2)]
    assert [(answer.status, answer.body.decode()) for answer in answers] == [
        (200, "Reloaded.\n"),
        (500, "Not reloaded:\na\\u001b[2J: no\nb\\u202e: no\n"),
    ]


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
def test_no_page_of_another_site_reloads(serve: Serve, headers: dict[str, str]) -> None:
    """A browser says whose page asks, and sends the password that it knows all the same."""
    reload = Reloads(None)
    client = Client(serve(showing(reload=reload)).port)
    named = {name: value.format(port=client.port) for name, value in headers.items()}
    answer = client("/-/reload", "POST", **named)
    if headers in OWN:
        assert (answer.status, reload.left) == (200, [])
    else:
        assert (answer.status, reload.left) == (403, [None])
        assert answer.body == b"Not reloaded:\na page of another site asked for it\n"
