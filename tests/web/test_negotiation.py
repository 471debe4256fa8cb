"""Which format and encoding a client gets for what its headers say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.web.negotiation import OPENMETRICS, TEXT, accepts_gzip, choose_format

PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,"
    "application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
PROTOBUF = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
)
PROMETHEUS_3_TEXT_FIRST = (
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.4,"
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.3,*/*;q=0.2"
)
FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", TEXT),
        ("*/*", TEXT),
        ("text/*", TEXT),
        (FIREFOX, TEXT),
        ("text/plain", TEXT),
        ("text/plain;version=0.0.4", TEXT),
        ("text/plain;version=1.0.0", TEXT),
        (PROMETHEUS_2, OPENMETRICS),
        (PROMETHEUS_3, OPENMETRICS),
        (f"{PROTOBUF};q=0.7,{PROMETHEUS_3}", OPENMETRICS),
        (f"{PROTOBUF};q=0.7,text/plain;version=0.0.4;q=0.3", TEXT),
        (PROTOBUF, TEXT),
        (PROMETHEUS_3_TEXT_FIRST, TEXT),
        ("application/openmetrics-text", OPENMETRICS),
        ('Application/OpenMetrics-Text; Version="1.0.0"; Q=0.5', OPENMETRICS),
        ("application/openmetrics-text;version=0.0.1", TEXT),
        ("application/openmetrics-text;version=2.0.0", TEXT),
        (
            "application/openmetrics-text;version=0.0.1;q=0.9,application/openmetrics-text",
            OPENMETRICS,
        ),
        ("application/openmetrics-text,text/plain", OPENMETRICS),
        ("application/openmetrics-text;q=0.3,text/plain;q=0.4", TEXT),
        ("application/openmetrics-text;q=0.3,*/*", TEXT),
        ("application/openmetrics-text;q=0.3,text/plain;q=0.2,*/*", OPENMETRICS),
        ("application/openmetrics-text;q=0", TEXT),
        ("application/openmetrics-text;q=0,*/*;q=0.1", TEXT),
        ("application/openmetrics-text;q=0.1,text/plain;q=0", OPENMETRICS),
        ("application/openmetrics-text;q=much", TEXT),
        ("application/openmetrics-text;q=1.5", TEXT),
        ("application/openmetrics-text;q=nan", TEXT),
        (",;,=;q=,", TEXT),
    ],
)
def test_format(accept: str, expected: str) -> None:
    """OpenMetrics for those who name it and like it no less than text, text for all others."""
    assert choose_format(accept) == expected


@pytest.mark.parametrize(
    ("accept_encoding", "expected"),
    [
        ("", False),
        ("gzip", True),
        ("GZIP", True),
        ("x-gzip", True),
        ("gzip, deflate, br, zstd", True),
        ("deflate, br", False),
        ("*", True),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip;q=0, *", False),
        ("gzip;q=0.001", True),
        ("*;q=0", False),
        ("identity, *;q=0.5", False),
        ("gzip;q=0.5, identity", False),
        ("gzip, identity;q=0.5", True),
        ("gzip;q=x", False),
    ],
)
def test_gzip(accept_encoding: str, expected: bool) -> None:  # noqa: FBT001 -- a row of the table
    """Compressed for those who accept it and like it no less than the text itself."""
    assert accepts_gzip(accept_encoding) is expected


PIECES = (
    *(
        "application/openmetrics-text",
        "text/plain",
        "*/*",
        "gzip",
        "version=",
        "1.0.0",
        "q=",
        "0.5",
    ),
    *(";", ",", "=", "*", '"', " "),
)

headers = st.text() | st.lists(st.sampled_from(PIECES)).map("".join)


@given(headers)
def test_anything_gets_an_answer(header: str) -> None:
    """No header, however wrong, is an error."""
    assert choose_format(header) in (TEXT, OPENMETRICS)
    assert accepts_gzip(header) in (True, False)


quality = st.integers(0, 1000).map(lambda thousandths: thousandths / 1000)


@given(quality, quality, st.permutations([0, 1, 2]))
def test_the_better_liked_wins_in_any_order(text: float, other: float, order: list[int]) -> None:
    """It is the quality that decides, not what comes first."""
    choices = [f"text/plain;q={text}", f"application/openmetrics-text;q={other}", "image/png"]
    chosen = choose_format(", ".join(choices[position] for position in order))
    assert (chosen == OPENMETRICS) == (other > 0 and other >= text)
