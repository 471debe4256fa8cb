"""A target's last polls: what is remembered, and in how many bytes."""

from hypothesis import given
from hypothesis import strategies as st

from exporter.error_codes import ERRORS
from exporter.model import Answer, Failure, Invitation, PollResult, Target
from exporter.state.history import KEPT, PastPoll, recall, remember

HERE = Target("111122223333", "eu-west-1")
INVITATION = Invitation("999988887777", "i1", "Invited", 1.0)

answers = st.builds(
    Answer,
    enabled=st.booleans(),
    invitations=st.integers(0, 30).map(lambda number: (INVITATION,) * number),
    pages=st.integers(1, 4000),
)
failures = st.builds(Failure, code=st.sampled_from(sorted(ERRORS)), message=st.text(max_size=9))
results = st.builds(
    PollResult,
    target=st.just(HERE),
    ended=st.floats(0, 1e11),
    duration=st.floats(0, 3600, width=32),
    outcome=answers | failures,
)


def past(result: PollResult) -> PastPoll:
    """Say what should be remembered of a poll."""
    match result.outcome:
        case Failure(code=code):
            return PastPoll(result.ended, result.duration, 0, 0, code)
        case Answer(enabled=enabled, invitations=listed, pages=pages):
            answered = "ok" if enabled else "not_enabled"
            return PastPoll(result.ended, result.duration, len(listed), pages, answered)


@given(st.lists(results, max_size=KEPT + 5))
def test_the_last_polls_come_back_latest_first(polls: list[PollResult]) -> None:
    """Whatever they were, and no more of them than are kept."""
    packed = b""
    for poll in polls:
        packed = remember(packed, poll)
    assert recall(packed) == [past(poll) for poll in reversed(polls)][:KEPT]


def test_more_pages_than_fit_are_the_most_that_do() -> None:
    """Whoever answers with empty pages for ever cannot break the poll."""
    packed = remember(b"", PollResult(HERE, 0.0, 0.0, Answer(enabled=True, pages=10**9)))
    assert [poll.pages for poll in recall(packed)] == [65535]


def test_an_unknown_code_is_remembered_as_other() -> None:
    """As it is in the metrics."""
    packed = remember(b"", PollResult(HERE, 0.0, 0.0, Failure("Surprise", "")))
    assert [poll.outcome for poll in recall(packed)] == ["other"]
