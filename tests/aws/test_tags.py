"""An account's tags in Organizations, over real HTTP."""

import json
from collections.abc import Iterator

import pytest

from exporter.aws.organizations import MAX_TAGS, Organizations
from exporter.model import AwsError
from tests.aws.rig import rig
from tests.faulty import Behaviour, FaultyServer, by_turns, response, send


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyServer]:
    """Organizations, as far as the exporter knows."""
    with FaultyServer(send(response("{}"))) as running:
        monkeypatch.setenv("AWS_ENDPOINT_URL", running.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        yield running


def tags(server: FaultyServer, behaviour: Behaviour) -> dict[str, str]:
    """Ask for an account's tags. Raises AwsError."""
    server.behave(behaviour)
    with rig() as made:
        organizations = Organizations(made.client, made.credentials)
        return dict(made.run(organizations.tags("111122223333")))


def answer(*listed: object, **more: object) -> Behaviour:
    """Answer with a page of tags."""
    return send(response(json.dumps({"Tags": listed, **more})))


def test_all_pages_of_the_account_asked_for(server: FaultyServer) -> None:
    """An empty value is one; the last page has no token."""
    found = tags(
        server,
        by_turns(
            answer({"Key": "team", "Value": "payments"}, NextToken="more"),
            answer({"Key": "environment", "Value": ""}),
        ),
    )
    assert found == {"team": "payments", "environment": ""}
    first, second = server.requests
    assert first.headers["x-amz-target"].endswith(".ListTagsForResource")
    assert json.loads(first.body) == {"ResourceId": "111122223333"}
    assert json.loads(second.body) == {"ResourceId": "111122223333", "NextToken": "more"}


@pytest.mark.parametrize(
    "listed",
    [
        [{"Value": "x"}],
        ["team"],
        [{"Key": str(number), "Value": ""} for number in range(MAX_TAGS + 1)],
    ],
)
def test_what_is_no_list_of_tags(server: FaultyServer, listed: list[object]) -> None:
    """Without a key, or without an end, it is no answer."""
    with pytest.raises(AwsError) as caught:
        tags(server, answer(*listed))
    assert caught.value.failure.code == "MalformedResponse"


def test_a_value_that_cannot_be_shown(server: FaultyServer) -> None:
    """Half a surrogate pair becomes a question mark, what is no text nothing."""
    found = tags(server, answer({"Key": "a", "Value": "x\ud800"}, {"Key": "b", "Value": 7}))
    assert found == {"a": "x?", "b": ""}
