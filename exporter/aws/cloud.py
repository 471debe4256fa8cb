"""Everything that speaks to AWS, wired together over one client."""

import random
from collections.abc import Callable

from exporter.aws.client import Client, Observer
from exporter.aws.credentials import Credentials
from exporter.aws.macie import Macie
from exporter.aws.organizations import Organizations
from exporter.clock import Clock


class Cloud:
    """AWS, as the rest of the exporter sees it."""

    def __init__(
        self,
        *,
        clock: Clock,
        observer: Observer,
        rng: random.Random,
        region: Callable[[], str],
        step: Callable[[], float],
        recovered: Callable[[str], object] = lambda _: None,
    ) -> None:
        """Use the STS of `region()`; leave broken roles alone for about `step()` seconds.

        `recovered` is given the id of an account whose role can be assumed again. To be made in a
        running loop.
        """
        self._client = Client(clock=clock, observer=observer, rng=rng)
        self.credentials = Credentials(
            self._client, clock=clock, region=region, step=step, recovered=recovered
        )
        self.organizations = Organizations(self._client, self.credentials)
        self.macie = Macie(self._client, self.credentials)

    async def close(self) -> None:
        """Let nothing begin any more, and close every connection."""
        self.credentials.close()
        await self._client.close()
