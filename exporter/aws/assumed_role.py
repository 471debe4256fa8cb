"""An assumed role: one session for all of an account's regions, refreshed ahead of its end.

Knows nothing of how a role is assumed.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from hashlib import blake2b

from botocore.credentials import ReadOnlyCredentials

from exporter.aws.base_credentials import PART_OF_STEP
from exporter.background import Shared
from exporter.clock import Clock
from exporter.model import AwsError, Failure, Role

_PATIENCE = 60.0
"""Seconds after which AssumeRole is given up, whoever waits for it: three attempts take as long."""

_MOST_FRUITLESS = 6


@dataclass(frozen=True, slots=True)
class Session:
    """An assumed role's session; times in Unix seconds."""

    credentials: ReadOnlyCredentials
    obtained: float
    expires: float


class AssumedRole:
    """A role's session: one task refreshes it ahead of its end, the others use what there is."""

    def __init__(
        self,
        role: Role,
        assume: Callable[[Role], Awaitable[Session]],
        *,
        clock: Clock,
        step: Callable[[], float],
        recovered: Callable[[], object] = lambda: None,
    ) -> None:
        """Leave STS alone for about `step()` seconds where the role cannot be assumed.

        When it can be again, that is told.
        """
        self._role, self._assume, self._clock, self._step = role, assume, clock, step
        self._recovered = recovered
        self._session: Session | None = None
        self._refusal: Failure | None = None
        self._next_try = float("-inf")
        self._fruitless: dict[str, int] = {}
        self._assuming = Shared(self._try)

    async def current(self) -> ReadOnlyCredentials:
        """Return the session's credentials; assume the role where there is none. Raises AwsError.

        Where it ends soon, nobody waits for the next one.
        """
        session, now = self._session, self._clock.now()
        refused = self._refusal if self._clock.monotonic() < self._next_try else None
        if session and now < session.expires:
            if now >= self._refresh_time(session) and not refused:
                self._assuming.start()
            return session.credentials
        if refused:
            raise AwsError.of(refused)
        return (await self._assuming.result()).credentials

    def renew(self, used: ReadOnlyCredentials, region: str, *, denied: bool) -> bool:
        """Drop a session that AWS refused in a region, unless that was done; tell whether to ask.

        A denial may be how AWS revoked the session, or the region's own: a session that is younger
        than a step is not suspected, and each renewal that did not help doubles the patience.
        """
        session = self._session
        if session is None or session.credentials is not used:
            return True
        fruitless = self._fruitless.get(region, 0)
        patience = PART_OF_STEP * self._step() * (2**fruitless - (not denied))
        if self._clock.now() - session.obtained < patience:
            return False
        self._fruitless[region] = min(fruitless + 1, _MOST_FRUITLESS)
        self._session = None
        return True

    def worked(self, region: str) -> None:
        """Note that AWS took the credentials, so that the region's next refusal is acted on."""
        self._fruitless.pop(region, None)

    def close(self) -> None:
        """End the wait for STS."""
        self._assuming.cancel()

    async def _try(self) -> Session:
        # From the start: the next poll begins an interval after the one that this is for.
        self._next_try = self._clock.monotonic() + PART_OF_STEP * self._step()
        try:
            async with asyncio.timeout(_PATIENCE):
                self._session = await self._assume(self._role)
        except TimeoutError as error:
            known = AwsError("Deadline", f"AssumeRole took more than {_PATIENCE:g} s")
            self._refusal = known.failure
            raise known from error
        except AwsError as error:
            self._refusal = error.failure
            raise
        refused, self._refusal = self._refusal, None
        if refused:
            self._recovered()
        return self._session

    def _refresh_time(self, session: Session) -> float:
        """Return when to refresh: after half to nine tenths of its life, in Unix seconds.

        By a hash of the role, so that ten thousand accounts do not refresh in the same minute.
        """
        digest = blake2b(self._role.arn.encode(), digest_size=4).digest()
        share = 0.5 + 0.4 * int.from_bytes(digest) / 2**32
        return session.obtained + (session.expires - session.obtained) * share
