"""Filtering, sorting and paging are what they say they are, for any targets."""

from dataclasses import replace
from itertools import groupby
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model import (
    NO_ADMINISTRATOR,
    Account,
    Administrator,
    Answer,
    Failure,
    Invitation,
    PollResult,
    Target,
    Trust,
)
from exporter.state import TargetRecord, TargetState
from exporter.state.records import advance
from exporter.web.query import COLUMNS, Query, QueryError, parse, select
from exporter.web.status import TargetRow
from tests.statuses import status

OURS, STRANGER = "999988887777", "660066006600"
NAMES = {STRANGER: "Straße"}
# The same name for two accounts: the id still tells them apart.
ACCOUNTS = (
    Account("000000000001", "Äpfel", labels={"team": "Rot", "environment": "production"}),
    Account("000000000002", "äpfel", labels={"team": "blau"}),
    Account("111122223333"),
)
times = st.none() | st.integers(0, 5).map(float)
statuses = st.sampled_from(["Invited", "Enabled", "Paused"])
invitations = st.builds(
    Invitation,
    inviter_account_id=st.sampled_from([OURS, STRANGER, ""]),
    invitation_id=st.just("i"),
    relationship_status=statuses,
    invited_at=times,
)
administrators = st.builds(Administrator, st.sampled_from([OURS, STRANGER]), statuses)
answers = st.builds(
    Answer,
    enabled=st.booleans(),
    invitations=st.lists(invitations, max_size=3).map(tuple),
    administrator=st.none() | st.just(NO_ADMINISTRATOR) | administrators,
)
failures = st.builds(
    Failure, code=st.sampled_from(["AccessDenied", "other"]), message=st.sampled_from(["No", "ſß"])
)
targets = st.builds(
    Target,
    account_id=st.sampled_from([account.id for account in ACCOUNTS]),
    region=st.sampled_from(["eu-west-1", "us-east-1", "us-east-2"]),
)
trusts = (Trust(), Trust(configured=True, accounts=frozenset({OURS})))
moments = st.sampled_from([status(*ACCOUNTS, trust=trust, names=NAMES) for trust in trusts])


@st.composite
def rows(draw: st.DrawFn, target: Target) -> TargetRow:
    """Draw one target after some polls."""
    record = TargetRecord(target)
    for outcome in draw(st.lists(answers | failures, max_size=2)):
        record = advance(record, PollResult(target, draw(st.floats(1, 5)), 0.1, outcome))
    due = draw(times)
    known = replace(draw(moments), due={} if due is None else {target: due})
    return TargetRow(known, record, *record.as_of(draw(st.sampled_from([5.0, 50.0])), 10.0))


fleets = st.sets(targets, max_size=9).flatmap(
    lambda chosen: st.tuples(*(rows(target) for target in chosen)).map(list)
)
queries = st.builds(
    Query,
    q=st.sampled_from(
        ["", "west", "EU 1", "äpfel", "denied us", "none such", "STRASSE rot", "0066 prod"]
    ),
    account=st.sampled_from(["", "000000000002"]),
    status=st.sampled_from(["", "Enabled", "INVITED"]),
    untrusted=st.booleans(),
    inviter=st.sampled_from(["", OURS, STRANGER]),
    label=st.frozensets(st.sampled_from(["team=Rot", "team=blau", "x=="])),
    state=st.frozensets(st.sampled_from(TargetState)),
    sort=st.sampled_from(sorted(COLUMNS)),
    order=st.sampled_from(["asc", "desc"]),
    page=st.integers(1, 4),
    per_page=st.integers(1, 5),
)
EVERYTHING = Query(per_page=1000)


@given(fleets, queries)
def test_a_filter_takes_what_fits_and_nothing_else(fleet: list[TargetRow], query: Query) -> None:
    """State, account, labels; an inviter that is all that is asked for; every word somewhere."""
    chosen = select(fleet, query.model_copy(update={"page": 1, "per_page": 1000})).items
    for row in fleet:
        error = f"{row.failure.code} {row.failure.message}" if row.failure else ""
        account, answer = row.account, row.answer
        listed = answer.invitations if answer and answer.enabled else ()
        pairs = [(each.inviter_account_id, each.relationship_status) for each in listed]
        if answer and answer.administrator and answer.administrator.account_id:
            pairs.append(
                (answer.administrator.account_id, answer.administrator.relationship_status)
            )
        inviters = " ".join(f"{each} {NAMES.get(each, '')}" for each, _ in pairs)
        labels = " ".join(account.labels.values())
        parts = (account.id, account.name, labels, row.target.region, error, inviters)
        text = " ".join(parts).casefold()
        fits = (
            (not query.state or row.state in query.state)
            and query.account in {"", account.id}
            and query.label <= {f"{key}={value}" for key, value in account.labels.items()}
            and all(word in text for word in query.q.casefold().split())
        )
        if query.status or query.untrusted or query.inviter:
            fits = fits and any(
                query.inviter in {"", inviter}
                and query.status.casefold() in {"", status.casefold()}
                and not (query.untrusted and (inviter == OURS or not row.status.trust.configured))
                for inviter, status in pairs
            )
        assert (row in chosen) == fits


@given(fleets, queries)
def test_pages_together_are_all_of_it_in_order(fleet: list[TargetRow], query: Query) -> None:
    """Each says how many there are; one beyond the last is empty, no error."""
    whole = select(fleet, query.model_copy(update={"page": 1, "per_page": 1000}))
    last = max(1, -(-whole.total // query.per_page))
    pages = [select(fleet, query.model_copy(update={"page": n})) for n in range(1, last + 2)]
    assert {(page.pages, page.total) for page in pages} == {(last, len(whole.items))}
    assert [row for page in pages for row in page.items] == whole.items
    assert not pages[-1].items


@given(fleets, queries)
def test_sorting(fleet: list[TargetRow], query: Query) -> None:
    """Values ascend or descend, equal ones by target, and those without a value come last."""
    key = COLUMNS[query.sort]
    asked = EVERYTHING.model_copy(update={"sort": query.sort, "order": query.order})
    ordered = select(fleet, asked).items
    assert sorted(row.target for row in ordered) == sorted(row.target for row in fleet)
    values = [key(row) for row in ordered]
    present = [value for value in values if value is not None]
    assert values == present + [None] * (len(values) - len(present))
    assert present == sorted(present, reverse=query.order == "desc")
    for _, same in groupby(ordered, key=key):
        assert (equal := [row.target for row in same]) == sorted(equal)


@given(queries)
def test_a_query_survives_its_address(query: Query) -> None:
    """What a link says is read as the query that it was made from."""
    link = query.url(page=query.page)
    assert link.startswith("?")
    assert parse(parse_qsl(link[1:], keep_blank_values=True)) == query


def test_links_of_columns() -> None:
    """The first click sorts upwards, the second downwards, from the first page on."""
    query = Query(q="a b", page=3)
    assert query.sorted_by("oldest") == "?q=a+b&sort=oldest"
    assert parse(parse_qsl(query.sorted_by("oldest")[1:])).sorted_by("oldest") == (
        "?q=a+b&sort=oldest&order=desc"
    )


TOO_MUCH = (
    "at most 32 parameters are read, with names of at most 64 and values of at most 512 characters"
)


@pytest.mark.parametrize(
    ("parameters", "lines"),
    [
        ([("stat", "ok")], ["stat: unknown; the nearest is state"]),
        (
            [("state", "bad"), ("page", "0")],
            [
                "page = 0: must be greater than or equal to 1",
                "state = bad: must be pending, ok, not_enabled, failing or stale",
            ],
        ),
        (
            [("page", "٣")],
            ["page = ٣: must be a whole number"],
        ),
        ([("per_page", "1001")], ["per_page = 1001: must be less than or equal to 1000"]),
        ([("order", "up")], ["order = up: must be asc or desc"]),
        ([("untrusted", "maybe")], ["untrusted = maybe: must be true or false"]),
        ([("inviter", "1234")], ["inviter = 1234: must be an account id of 12 digits"]),
        ([("label", "team")], ["label = team: must be KEY=VALUE"]),
        ([("status", "a"), ("status", "b")], ["status = ['a', 'b']: must be text"]),
        ([("q", "x" * 513)], [TOO_MUCH]),
        ([("x" * 65, "")], [TOO_MUCH]),
        ([("x", "y")] * 33, [TOO_MUCH]),
        (
            [("sort", "age")],
            [f"sort = age: must be {', '.join(list(COLUMNS)[:-1])} or error"],
        ),
    ],
)
def test_what_is_wrong_is_said_all_at_once(
    parameters: list[tuple[str, str]], lines: list[str]
) -> None:
    """With what would be right."""
    with pytest.raises(QueryError) as caught:
        parse(parameters)
    assert caught.value.lines == tuple(lines)
