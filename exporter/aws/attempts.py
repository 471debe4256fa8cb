"""Tries a call again where that may help, within its deadline; every attempt is observed."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar

from botocore.credentials import ReadOnlyCredentials

from exporter.aws.failures import EXPECTED, failed
from exporter.aws.transport import Reply
from exporter.clock import Clock, Stop
from exporter.errors import Retry, kind_of
from exporter.model import AwsError

ATTEMPTS = 3
_FIRST_PAUSE = 0.2

_T = TypeVar("_T")


class Observer(Protocol):
    """Is told of every HTTP attempt."""

    def attempt(
        self, service: str, operation: str, region: str, seconds: float, error_code: str | None
    ) -> None:
        """Count one attempt that took so many seconds; `error_code` is None where it succeeded."""


@dataclass(frozen=True, slots=True)
class Call:
    """What travels with a call: who signs it, and its monotonic deadline.

    And what of its parameters no message may repeat.
    """

    credentials: ReadOnlyCredentials
    deadline: float
    hidden: tuple[str, ...] = ()

    @property
    def secrets(self) -> tuple[str, ...]:
        """Give all that no message may repeat."""
        own = self.credentials
        found = (own.token, own.secret_key, own.access_key, *self.hidden)
        return tuple(secret for secret in found if secret)


class Operation(NamedTuple):
    """What is called, as AWS names it (`macie2`, `ListInvitations`), and in which region."""

    service: str
    name: str
    region: str


class Attempt:
    """One HTTP attempt: the call that it is for, and what was answered, once it was."""

    __slots__ = ("call", "reply")

    def __init__(self, call: Call) -> None:
        """Begin one that has no answer yet."""
        self.call = call
        self.reply: Reply | None = None


class Attempts:
    """Makes attempts, at most three for a call."""

    def __init__(self, *, clock: Clock, stop: Stop, observer: Observer, rng: random.Random) -> None:
        """Tell the observer of each; make no further one once the process stops."""
        self._clock, self._stop, self._observer, self._rng = clock, stop, observer, rng

    def make(self, operation: Operation, call: Call, send: Callable[[Attempt], _T]) -> _T:
        """Give what `send` gives, once it does. Raises AwsError."""
        for number in range(ATTEMPTS):
            try:
                return self._observed(operation, Attempt(call), send)
            except AwsError as error:
                again = kind_of(error.failure.code).retry is Retry.SOON and number < ATTEMPTS - 1
                if not again or not self._pause(number, call.deadline):
                    raise
        raise AssertionError  # pragma: no cover -- the last attempt returns or raises

    def _pause(self, number: int, deadline: float) -> bool:
        """Wait, for a step or half of it more or less; tell whether to try again after it."""
        pause = _FIRST_PAUSE * 2**number * (0.5 + self._rng.random())
        if self._clock.monotonic() + pause >= deadline:
            return False
        return not self._stop.wait(pause)

    def _observed(
        self, operation: Operation, attempt: Attempt, send: Callable[[Attempt], _T]
    ) -> _T:
        service, name, region = operation
        started = self._clock.monotonic()
        code: str | None = "other"
        try:
            answer = send(attempt)
            code = None
        except EXPECTED as error:
            known = failed(error, attempt.reply, attempt.call.secrets)
            code = known.failure.code
            raise known from error
        finally:
            self._observer.attempt(service, name, region, self._clock.monotonic() - started, code)
        return answer
