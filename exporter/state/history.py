"""A target's last polls in a few bytes: pure `(bytes, result) -> bytes`, and back.

Of 20,000 targets they take 5 MB so, 11 MB as arrays of numbers, and 30 MB or more as tuples of
results or of numbers. What AWS said of a failure does not fit: the snapshot keeps the latest
failures of all targets whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from struct import Struct

from exporter.error_codes import ERRORS, OTHER
from exporter.model import Failure, PollResult

KEPT = 12
"""Polls of each target: an hour at the default interval."""

_POLL = Struct("<dfIHB")
"""End (Unix seconds), duration (seconds), invitations, pages, and how it ended."""

_MOST_PAGES = 2**16 - 1
_OUTCOMES = ("", "", *ERRORS)
_NOT_ENABLED, _ANSWERED = 0, 1
_NUMBERS = {code: number for number, code in enumerate(_OUTCOMES) if code}


@dataclass(frozen=True, slots=True)
class PastPoll:
    """A poll that has ended (Unix seconds, seconds). One that failed has a code and no counts."""

    ended: float
    duration: float
    enabled: bool
    invitations: int
    pages: int
    code: str = ""


def remember(polls: bytes, result: PollResult) -> bytes:
    """Add a poll to the last ones, and drop what is too many."""
    return (polls + _packed(result))[-KEPT * _POLL.size :]


def recall(polls: bytes) -> Sequence[PastPoll]:
    """Return the polls that are remembered, the latest first."""
    return [_unpacked(*fields) for fields in _POLL.iter_unpack(polls)][::-1]


def _packed(result: PollResult) -> bytes:
    outcome = result.outcome
    if isinstance(outcome, Failure):
        number = _NUMBERS.get(outcome.code, _NUMBERS[OTHER])
        return _POLL.pack(result.ended, result.duration, 0, 0, number)
    how = _ANSWERED if outcome.enabled else _NOT_ENABLED
    pages = min(outcome.pages, _MOST_PAGES)
    return _POLL.pack(result.ended, result.duration, len(outcome.invitations), pages, how)


def _unpacked(ended: float, duration: float, invitations: int, pages: int, how: int) -> PastPoll:
    return PastPoll(ended, duration, how == _ANSWERED, invitations, pages, _OUTCOMES[how])
