"""What is answered on each path and for what headers say, over a real socket."""

from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.web.negotiation import OPENMETRICS, TEXT, accepts_gzip, choose_format
from tests.web.conftest import Serve
from tests.web.serving import Client
from tests.web.site import Site, showing

TARGET = "/targets/111122223333/eu-west-1"
PROBES = ("/-/healthy", "/-/ready")


@pytest.mark.parametrize(
    "path", ["/metrics", *PROBES, "/", "/targets", TARGET, "/config", "/api/v1/targets"]
)
def test_methods(site: Site, path: str) -> None:
    """HEAD gives the headers of GET and no body; any other is 405, and the right ones are named."""
    get, head = site.client.ok(path), site.client.ok(path, "HEAD")
    assert head.body == b""
    for name in ("content-type", "content-length"):
        assert head.headers[name] == get.headers[name]
    for method in ("POST", "OPTIONS", "FUNNY"):
        answer = site.client(path, method)
        assert answer.status == 405
        assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD"}


ABSENT = (
    "/metrics/ //metrics /Metrics /metricsx /-/reload /-/ /-/ready/ /x?/metrics /targets/ "
    "/targets/111122223333 /api /static/ /static/pages.css /static/../pages.py"
)


@pytest.mark.parametrize("path", ABSENT.split())
def test_anything_else_is_not_found(site: Site, path: str) -> None:
    """What is not exactly one of the paths is 404, and no redirect; no folder is listed."""
    assert site.client(path).status == 404


def test_probes(serve: Serve) -> None:
    """Healthy while polling goes on; ready, which is another matter, after the first round."""
    healthy, ready = (200, b"Healthy.\n"), (200, b"Ready.\n")
    for application, expected in (
        (showing(), [healthy, ready]),
        (showing(healthy=False), [(503, b"Polling has stopped.\n"), ready]),
        (showing(waiting="x"), [healthy, (503, b"Waiting for x.\n")]),
    ):
        client = Client(serve(application).port)
        answers = [client(path) for path in PROBES]
        assert [(answer.status, answer.body) for answer in answers] == expected


def test_reload(serve: Serve) -> None:
    """By POST alone: 200 where it is accepted, 500 with the reason where it is refused.

    The reason is shown as what it is: whoever reloads by curl looks at it in a terminal.
    """
    outcomes = [None, "a\x1b[2J: no\nb\u202e: no"]

    async def reload() -> str | None:
        return outcomes.pop(0)

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


def test_no_page_of_another_site_reloads(serve: Serve) -> None:
    """A browser says whose page asks, and sends the password that it knows all the same."""
    reloads = list[None]()

    async def reload() -> None:
        reloads.append(None)

    client = Client(serve(showing(reload=reload)).port)

    def ask(headers: dict[str, str]) -> tuple[int, bytes]:
        named = {name: value.format(port=client.port) for name, value in headers.items()}
        answer = client("/-/reload", "POST", **named)
        return answer.status, answer.body

    for headers in FOREIGN:
        refusal = b"Not reloaded:\na page of another site asked for it\n"
        assert ask(headers) == (403, refusal), headers
    assert reloads == []
    for headers in OWN:
        assert ask(headers) == (200, b"Reloaded.\n"), headers


# -- negotiation -----------------------------------------------------------------------------


def test_metrics(site: Site) -> None:
    """Text for who asks for nothing, OpenMetrics with its end mark and gzip for who names them."""
    answer = site.client.ok("/metrics")
    assert answer.body == b"shown 1.0\nown_total 2.0\n"
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["vary"] == "Accept, Accept-Encoding"
    assert "content-encoding" not in answer.headers
    answer = site.client.ok("/metrics?x=1", Accept="application/openmetrics-text;version=1.0.0")
    assert answer.body == b"shown 1.0\nown_total 2.0\n# EOF\n"
    assert answer.headers["content-type"] == (
        "application/openmetrics-text; version=1.0.0; charset=utf-8"
    )
    answer = site.client.ok("/metrics", Accept_Encoding="gzip")
    assert answer.body == b"(packed shown 1.0\nown_total 2.0\n)"
    assert (answer.headers["content-encoding"], answer.headers["content-type"]) == ("gzip", TEXT)


def test_headers_on_several_lines(site: Site) -> None:
    """A list that a proxy has split over several lines is read as one."""
    with closing(site.client.connection()) as connection:
        connection.putrequest("GET", "/metrics", skip_accept_encoding=True)
        for name, first, second in (
            ("Accept", "text/plain;q=0.5", "application/openmetrics-text"),
            ("Accept-Encoding", "br", "gzip"),
        ):
            connection.putheader(name, first)
            connection.putheader(name, second)
        connection.endheaders()
        assert connection.getresponse().read() == b"(packed shown 1.0\nown_total 2.0\n# EOF\n)"


OPEN = "application/openmetrics-text"
PROMETHEUS_2 = (
    f"{OPEN};version=1.0.0,{OPEN};version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    f"{OPEN};version=1.0.0;escaping=allow-utf-8;q=0.6,{OPEN};version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
PROTOBUF = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
)

FORMATS = {
    "": TEXT,
    "text/html,application/xml;q=0.9,image/avif,*/*;q=0.8": TEXT,
    "text/plain;version=1.0.0": TEXT,
    PROMETHEUS_2: OPENMETRICS,
    PROMETHEUS_3: OPENMETRICS,
    f"{PROTOBUF};q=0.7,{PROMETHEUS_3}": OPENMETRICS,
    f"{PROTOBUF};q=0.7,text/plain;version=0.0.4;q=0.3": TEXT,
    'Application/OpenMetrics-Text; Version="1.0.0"; Q=0.5': OPENMETRICS,
    f"{OPEN};version=0.0.1": TEXT,
    f"{OPEN};version=2.0.0": TEXT,
    f"{OPEN};version=0.0.1;q=0.9,{OPEN}": OPENMETRICS,
    f"{OPEN};q=0.3,*/*": TEXT,
    f"{OPEN};q=0.3,text/plain;q=0.2,*/*": OPENMETRICS,
    f"{OPEN};q=0,*/*;q=0.1": TEXT,
    f"{OPEN};q=much": TEXT,
    f"{OPEN};q=1.5": TEXT,
    f"{OPEN};q=nan": TEXT,
}


@pytest.mark.parametrize("accept", FORMATS)
def test_format(accept: str) -> None:
    """OpenMetrics for those who name it and like it no less than text, text for all others."""
    assert choose_format(accept) == FORMATS[accept]


PACKED = (
    *("gzip", "GZIP", "x-gzip", "gzip, deflate, br, zstd", "*", "gzip;q=0.001"),
    "gzip, identity;q=0.5",
)
PLAIN = (
    *("", "deflate, br", "identity", "gzip;q=0", "gzip;q=0, *", "*;q=0", "identity, *;q=0.5"),
    *("gzip;q=0.5, identity", "gzip;q=x"),
)


@pytest.mark.parametrize("accept_encoding", [*PACKED, *PLAIN])
def test_gzip(accept_encoding: str) -> None:
    """Compressed for those who accept it and like it no less than the text itself."""
    assert accepts_gzip(accept_encoding) is (accept_encoding in PACKED)


quality = st.integers(0, 1000).map(lambda thousandths: thousandths / 1000)


@given(quality, quality, st.permutations([0, 1, 2]))
def test_the_better_liked_wins_in_any_order(text: float, other: float, order: list[int]) -> None:
    """It is the quality that decides, not what comes first."""
    choices = [f"text/plain;q={text}", f"{OPEN};q={other}", "image/png"]
    chosen = choose_format(", ".join(choices[position] for position in order))
    assert (chosen == OPENMETRICS) == (other > 0 and other >= text)
