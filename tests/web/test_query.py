"""Filtering, sorting and paging, on five targets that differ in all that can be asked for."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import parse_qsl

import pytest

from exporter.model import NO_ADMINISTRATOR, Account, Administrator, Answer, Failure, Trust
from exporter.web.query import COLUMNS, Page, Query, QueryError, parse, select
from exporter.web.status import TargetRow
from tests.statuses import DAY, MINUTE, NOW, answered, invited, status

OURS, STRANGER = "999988887777", "660066006600"
REGIONS = ("eu-west-1", "us-east-1")
APPLES = Account(
    "000000000001", "Äpfel", None, REGIONS, {"team": "Rot", "environment": "production", "x": "="}
)
# The same name for two accounts: the id still tells them apart.
MORE_APPLES = Account("000000000002", "äpfel", None, REGIONS, {"team": "blau"})
NAMELESS = Account("111122223333", regions=REGIONS[:1])
DENIED = Failure("AccessDenied", "No to ſß", "req-1")
A1, A2, B1, B2, C1 = (t for a in (APPLES, MORE_APPLES, NAMELESS) for t in a.targets())
TRUST = Trust(configured=True, accounts=frozenset({OURS}))
SHOWN = status(
    *(APPLES, MORE_APPLES, NAMELESS),
    polls={
        A1: [answered(invited(age=2 * DAY, inviter=OURS), administrator=NO_ADMINISTRATOR)],
        A2: [answered(invited("Enabled", inviter=STRANGER), invited(age=DAY)), DENIED],
        B1: [Answer(enabled=False)],
        C1: [
            DENIED,
            answered(
                *(invited("Paused"), invited("Created", 9 * DAY), invited(inviter=OURS)),
                administrator=Administrator(STRANGER, "Removed"),
            ),
        ],
    },
    trust=TRUST,
    names={STRANGER: "Straße"},
)
DUE = {A1: NOW + MINUTE, A2: NOW, B1: NOW + MINUTE, B2: NOW + MINUTE}
"""The poll of C1 is under way."""
ROWS = replace(SHOWN, due=DUE).rows()[::-1]
NAMES = {A1: "a1", A2: "a2", B1: "b1", B2: "b2", C1: "c1"}


def asked(address: str) -> Query:
    """Read a query of an address."""
    return parse(parse_qsl(address, keep_blank_values=True))


def names(page: Page[TargetRow]) -> str:
    """Return which targets a page shows, in its order."""
    return " ".join(NAMES[row.target] for row in page.items)


QUERIES = {
    "": "c1 a1 a2 b1 b2",
    "q=&account=&status=&inviter=": "c1 a1 a2 b1 b2",
    "q=west": "c1 a1 b1",
    "q=+EU++1+": "c1 a1 b1",
    "q=äpfel": "a1 a2 b1 b2",
    "q=denied+us": "a2",
    "q=REQ-1+no": "a2",
    "q=SSS": "a2",
    "q=STRASSE+rot": "a2",
    "q=0066": "c1 a2",
    "q=rot+none": "",
    "account=000000000002": "b1 b2",
    "state=ok": "c1 a1",
    "state=failing&state=pending": "a2 b2",
    "state=not_enabled": "b1",
    "status=Enabled": "a2",
    "status=INVITED": "c1 a1 a2",
    "status=removed": "c1",
    "untrusted=true": "c1 a2",
    "untrusted=false": "c1 a1 a2 b1 b2",
    f"inviter={OURS}": "c1 a1 a2",
    f"inviter={STRANGER}": "c1 a2",
    f"inviter={OURS}&status=Enabled": "",
    f"inviter={OURS}&untrusted=true": "",
    "status=Removed&untrusted=true": "c1",
    "label=team%3DRot": "a1 a2",
    "label=team%3DRot&label=x%3D%3D": "a1 a2",
    "label=team%3Drot": "",
    f"label=team%3DRot&inviter={STRANGER}&state=failing&q=us": "a2",
    "sort=account&order=desc": "b1 b2 a1 a2 c1",
    "sort=region": "a1 b1 c1 a2 b2",
    "sort=region&order=desc": "a2 b2 a1 b1 c1",
    "sort=state": "a2 b1 a1 c1 b2",
    "sort=state&order=desc": "b2 a1 c1 b1 a2",
    "sort=pending": "a1 a2 c1 b1 b2",
    "sort=pending&order=desc": "c1 a1 a2 b1 b2",
    "sort=oldest": "c1 a1 a2 b1 b2",
    "sort=success": "a2 a1 b1 c1 b2",
    "sort=next": "a2 a1 b1 b2 c1",
    "sort=error": "a2 a1 b1 b2 c1",
    "per_page=2": "c1 a1",
    "per_page=2&page=3": "b2",
    "per_page=2&page=4": "",
}


@pytest.mark.parametrize("address", QUERIES)
def test_what_a_query_selects(address: str) -> None:
    """All filters together; equal ones are sorted by target, those without a value come last.

    What a link says is read as the query that it was made from, on its first page.
    """
    query = asked(address)
    assert names(select(ROWS, query)) == QUERIES[address]
    assert asked(query.url(page=query.page)[1:]) == query
    assert asked(query.url()[1:]) == query.model_copy(update={"page": 1})


TOO_MUCH = (
    "at most 32 parameters are read, with names of at most 64 and values of at most 512 characters"
)
MISTAKES: Mapping[str, Sequence[str]] = {
    "stat=ok": ["stat: unknown; the nearest is state"],
    "state=bad&page=0": [
        "page = 0: must be greater than or equal to 1",
        "state = bad: must be pending, ok, not_enabled, failing or stale",
    ],
    "page=٣": ["page = ٣: must be a whole number"],
    "per_page=1001": ["per_page = 1001: must be less than or equal to 1000"],
    "order=up": ["order = up: must be asc or desc"],
    "untrusted=maybe": ["untrusted = maybe: must be true or false"],
    "inviter=1234": ["inviter = 1234: must be an account id of 12 digits"],
    "label=team": ["label = team: must be KEY=VALUE"],
    "status=a&status=b": ["status = ['a', 'b']: must be text"],
    "sort=age": [f"sort = age: must be {', '.join(list(COLUMNS)[:-1])} or error"],
    f"q={'x' * 513}": [TOO_MUCH],
    f"{'x' * 65}=": [TOO_MUCH],
    "&".join(["x=y"] * 33): [TOO_MUCH],
}


@pytest.mark.parametrize("address", MISTAKES)
def test_what_is_wrong_is_said_all_at_once(address: str) -> None:
    """With what would be right."""
    with pytest.raises(QueryError) as caught:
        asked(address)
    assert [*caught.value.lines] == MISTAKES[address]
