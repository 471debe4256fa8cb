"""A target's last polls in a few bytes: pure `(bytes, result) -> bytes`, and back.

Of 20,000 targets they take 5 MB so, 11 MB as arrays of numbers, and 30 MB or more as tuples of
results or of numbers. What AWS said of a failure does not fit: the snapshot keeps the latest
failures of all targets whole.
"""

from collections.abc import Sequence
from struct import Struct
from typing import NamedTuple

from exporter.error_codes import ERRORS, OTHER
from exporter.model import Failure, PollResult

KEPT = 12
"""Polls of each target: an hour at the default interval."""

_POLL = Struct("<dfIHB")
"""The fields of a PastPoll, the last as a number."""

_MOST_PAGES = 2**16 - 1
_ANSWERED = ("ok", "not_enabled")
_OUTCOMES = (*_ANSWERED, *ERRORS)
_NUMBERS = {outcome: number for number, outcome in enumerate(_OUTCOMES)}
_NO_POLL = len(_OUTCOMES)

NO_POLLS = _POLL.pack(0, 0, 0, 0, _NO_POLL) * KEPT
"""What there is at first: as long as later, since what grows leaves holes where it was."""


class PastPoll(NamedTuple):
    """A poll that has ended (Unix seconds, seconds). One that failed has no counts."""

    ended: float
    duration: float
    invitations: int
    pages: int
    outcome: str
    """An error code, or what AWS answered: `ok` or `not_enabled`."""

    @property
    def failed(self) -> bool:
        """Whether it got no answer."""
        return self.outcome not in _ANSWERED


def remember(polls: bytes, result: PollResult) -> bytes:
    """Add a poll to the last ones, and drop what is too many."""
    answer, invitations, pages = result.outcome, 0, 0
    if isinstance(answer, Failure):
        outcome = _NUMBERS.get(answer.code, _NUMBERS[OTHER])
    else:
        outcome = _NUMBERS["ok" if answer.enabled else "not_enabled"]
        invitations, pages = len(answer.invitations), min(answer.pages, _MOST_PAGES)
    packed = _POLL.pack(result.ended, result.duration, invitations, pages, outcome)
    return (polls + packed)[-KEPT * _POLL.size :]


def recall(polls: bytes) -> Sequence[PastPoll]:
    """Return the polls that are remembered, the latest first."""
    polled = [each for each in _POLL.iter_unpack(polls) if each[-1] != _NO_POLL]
    return [PastPoll._make((*rest, _OUTCOMES[how])) for *rest, how in reversed(polled)]
