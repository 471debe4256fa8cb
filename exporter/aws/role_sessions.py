"""Sessions of a role, and of the exporter's own credentials: when one is got, renewed, tried again.

Once for all who wait for it, ahead of its end, and after a refusal no sooner than a pause says.
Knows nothing of where they are got.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from botocore.credentials import ReadOnlyCredentials

from exporter.background import Shared
from exporter.clock import Clock
from exporter.model import AwsError, Failure

_AHEAD = 900.0
"""Seconds before their end from which on new ones are got."""

_LET_BE = 300.0
"""Seconds at most that a session is let be that ends soon and was got a moment ago: an instance's
metadata has the same one until minutes before its end."""


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

        A region that refuses every session has them renewed once in `renewal_pause()` seconds.
        `recovered` is called where an attempt succeeds after one that failed.
        """
        self._get, self._clock, self._recovered = get, clock, recovered
        self._pause, self._renewal_pause = pause, renewal_pause
        self._session: Session | None = None
        self._failure: Failure | None = None
        self._next_attempt = float("-inf")
        self._next_renewals: dict[str, float] = {}
        """By regions that refused a session and have taken none since."""
        self._getting = Shared(self._attempt)

    async def current(self) -> ReadOnlyCredentials:
        """Return the session's credentials, and get a session where there is none. Raises AwsError.

        Where it ends soon, nobody waits for the next one.
        """
        session, is_early = self._session, self._clock.monotonic() < self._next_attempt
        if session and not session.ends_within(0):
            if session.ends_within(_AHEAD) and not is_early:
                self._getting.start()
            return session.credentials
        if self._failure and is_early:
            raise AwsError.of(self._failure)
        return (await self._getting.result()).credentials

    def renew(self, refused: ReadOnlyCredentials, region: str) -> bool:
        """Drop a session that a region refused, unless that was done; tell whether to ask again.

        Not at each refusal: a region that is not enabled, or that a policy denies, refuses whatever
        session there is.
        """
        now = self._clock.monotonic()
        if now < self._next_renewals.get(region, now):
            return False
        self._next_renewals[region] = now + self._renewal_pause()
        if self._session and self._session.credentials is refused:
            self._session = None
        return True

    def worked(self, region: str) -> None:
        """Note that a region took a session, so that its next refusal is acted on."""
        self._next_renewals.pop(region, None)

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
        self._next_attempt = started + min(self._renewal_pause(), _LET_BE)
        failed, self._failure = self._failure, None
        if failed:
            self._recovered()
        return self._session
