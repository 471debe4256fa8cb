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
OPEN = "application/openmetrics-text"

FORMATS = {
    "": TEXT,
    "*/*": TEXT,
    FIREFOX: TEXT,
    "text/plain;version=1.0.0": TEXT,
    PROMETHEUS_2: OPENMETRICS,
    PROMETHEUS_3: OPENMETRICS,
    f"{PROTOBUF};q=0.7,{PROMETHEUS_3}": OPENMETRICS,
    f"{PROTOBUF};q=0.7,text/plain;version=0.0.4;q=0.3": TEXT,
    PROTOBUF: TEXT,
    PROMETHEUS_3_TEXT_FIRST: TEXT,
    'Application/OpenMetrics-Text; Version="1.0.0"; Q=0.5': OPENMETRICS,
    f"{OPEN};version=0.0.1": TEXT,
    f"{OPEN};version=2.0.0": TEXT,
    f"{OPEN};version=0.0.1;q=0.9,{OPEN}": OPENMETRICS,
    f"{OPEN},text/plain": OPENMETRICS,
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


PIECES = (
    *(OPEN, "text/plain", "*/*", "gzip", "version=", "1.0.0", "q=", "0.5"),
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
