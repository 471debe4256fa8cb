"""A target's last polls: what is remembered of them."""

from collections.abc import Sequence

from exporter.error_codes import ERRORS
from exporter.model import Answer, Failure, Invitation, PollResult, Target
from exporter.state.history import KEPT, PastPoll, recall, remember

LISTED = (Invitation("999988887777", "i1", "Invited", 1.0),) * 3


def recalled(outcomes: Sequence[Answer | Failure]) -> Sequence[PastPoll]:
    """Return what is remembered after these polls, a second apart and half a second long."""
    packed = b""
    for number, outcome in enumerate(outcomes):
        packed = remember(packed, PollResult(Target("1", "eu-west-1"), number, 0.5, outcome))
    return recall(packed)


def test_the_last_polls_come_back_latest_first() -> None:
    """Whatever they were, and no more of them than are kept."""
    answers = [Answer(enabled=True, invitations=LISTED, pages=2), Answer(enabled=False)]
    for code in sorted(ERRORS):
        polls: list[Answer | Failure] = [*answers, Failure(code, "why")] * 3
        found = recalled([Failure("other", "long ago"), *polls, *polls])
        assert [each[1:] for each in found] == [
            (0.5, 0, 0, code),
            (0.5, 0, 1, "not_enabled"),
            (0.5, 3, 2, "ok"),
        ] * (KEPT // 3)
        assert [each.ended for each in found] == [18.0 - number for number in range(KEPT)]


def test_what_does_not_fit_breaks_no_poll() -> None:
    """It is the most pages that fit, and the code that stands for those that nobody knows."""
    found = recalled([Answer(enabled=True, pages=10**9), Failure("Surprise", "")])
    assert [each[2:] for each in found] == [(0, 0, "other"), (0, 65535, "ok")]
