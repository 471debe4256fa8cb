"""What Hypothesis draws: invitations, clocks and targets; odd ones, and those at an edge."""

from hypothesis import strategies as st

from exporter.model import (
    KNOWN_STATUSES,
    NO_ADMINISTRATOR,
    Administrator,
    Answer,
    Failure,
    Invitation,
    Target,
)
from tests.exposition.scene import DAY, EDGES, NOW, options

ODD_TEXT = st.text(st.sampled_from('"\\\n\r{}=, #a\u2028é😀')) | st.text(max_size=8)

TARGETS = tuple(
    Target(account, region)
    for account in ("000000000001", "111122223333", "999999999999")
    for region in ("eu-west-1", "us-east-1")
)

_AT_AN_EDGE = st.builds(
    lambda edge, off: NOW - edge.total_seconds() + off / 1000,
    st.sampled_from(EDGES),
    st.integers(-2000, 2000),
)

moments = st.integers(0, 4 * 10**12).map(lambda milliseconds: milliseconds / 1000) | _AT_AN_EDGE

invitations = st.builds(
    Invitation,
    st.sampled_from(("999988887777", "123412341234")) | ODD_TEXT,
    st.sampled_from(("i1", "i2", "")) | ODD_TEXT,
    st.sampled_from(KNOWN_STATUSES) | ODD_TEXT,
    st.none() | moments,
)

administrators = st.sampled_from((None, NO_ADMINISTRATOR, Administrator("999988887777", "Enabled")))

answers = st.builds(
    Answer,
    enabled=st.sampled_from([True]),
    invitations=st.lists(invitations, max_size=6).map(tuple),
    administrator=administrators,
)

outcomes = st.one_of(
    answers,
    st.just(Answer(enabled=False)),
    st.builds(Failure, st.sampled_from(("ThrottlingException", "other")), st.just("")),
)

clocks = st.integers(-2000, 2000).map(lambda off: NOW + off / 1000) | st.floats(
    NOW - 1000 * DAY, NOW + 1000 * DAY
)

all_options = st.builds(
    options,
    zero_fill=st.sampled_from(("all", "invited", "none")),
    trusted=st.sampled_from(((), ("999988887777",))),
    most=st.sampled_from((0, 1, 3, 1000)),
    most_inviters=st.sampled_from((1, 3, 1000)),
    administrator=st.booleans(),
)
