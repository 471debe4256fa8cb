"""Credentials that end: got once for all who wait for them, and again ahead of their end.

Knows nothing of where they are got.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from botocore.credentials import ReadOnlyCredentials

from exporter.background import Shared
from exporter.clock import Clock
from exporter.model import AwsError, Failure

_AHEAD, _LAST = 900.0, 60.0
"""Seconds before their end from which on new ones are got, and they are not handed out any more."""


@dataclass(frozen=True, slots=True)
class Session:
    """Credentials, and whether they end within some seconds."""

    credentials: ReadOnlyCredentials
    ends_within: Callable[[float], bool]


class Sessions:
    """One session after the other: a task gets the next one, whoever asks uses what there is."""

    def __init__(
        self,
        get: Callable[[], Awaitable[Session]],
        clock: Clock,
        *,
        pause: Callable[[], float],
        renewal_pause: Callable[[], float],
        recovered: Callable[[], object] = lambda: None,
    ) -> None:
        """Try again `pause()` seconds after an attempt that failed; `get` raises AwsError.

        A session that ends soon, or that AWS refuses, is renewed once in `renewal_pause()` seconds.
        `recovered` is called where an attempt succeeds after one that failed.
        """
        self._get, self._clock, self._recovered = get, clock, recovered
        self._pause, self._renewal_pause = pause, renewal_pause
        self._session: Session | None = None
        self._failure: Failure | None = None
        self._next_attempt = self._next_renewal = float("-inf")
        self._getting = Shared(self._attempt)

    async def current(self) -> ReadOnlyCredentials:
        """Return the session's credentials, and get a session where there is none. Raises AwsError.

        Where it ends soon, nobody waits for the next one.
        """
        session, is_early = self._session, self._clock.monotonic() < self._next_attempt
        if session and not session.ends_within(_LAST):
            if session.ends_within(_AHEAD) and not is_early:
                self._getting.start()
            return session.credentials
        if self._failure and is_early:
            raise AwsError.of(self._failure)
        return (await self._getting.result()).credentials

    def renew(self, refused: ReadOnlyCredentials) -> bool:
        """Drop a session that AWS refused, unless that was done; tell whether to ask again.

        Not at each refusal: a region that is not enabled refuses whatever session there is.
        """
        if self._session is None or self._session.credentials is not refused:
            return True
        now = self._clock.monotonic()
        if now < self._next_renewal:
            return False
        self._next_renewal, self._session = now + self._renewal_pause(), None
        return True

    def close(self) -> None:
        """End the wait for the next one."""
        self._getting.cancel()

    async def _attempt(self) -> Session:
        # From the start: the next poll begins an interval after the one that this is for.
        started = self._clock.monotonic()
        self._next_attempt = started + self._pause()
        try:
            self._session = await self._get()
        except AwsError as error:
            self._failure = error.failure
            raise
        # An instance's metadata has the same credentials until minutes before their end.
        self._next_attempt = started + self._renewal_pause()
        failed, self._failure = self._failure, None
        if failed:
            self._recovered()
        return self._session
