"""Looks up the tags of accounts in Organizations, whose values are labels of theirs."""

import asyncio
from collections.abc import AsyncIterator, Iterable

from exporter.discovery.directory import Directory, hint
from exporter.log import Log
from exporter.model import Account, Failure

TAGS_A_SECOND = 8.0
"""Accounts whose tags are asked for, by all shards together: Organizations throttles an
organization's callers together, at a few more. Ten thousand accounts take 20 minutes."""

_HANDED_ON = 500
"""Accounts after whose tags those known so far are shown."""

_FRUITLESS = 3
"""Accounts in a row whose tags cannot be had, after which no others are asked for."""


class Tags:
    """Asks account by account, slowly: polls do not wait for it."""

    def __init__(self, directory: Directory, log: Log) -> None:
        """Have what is answered be known to a directory."""
        self._directory, self._log = directory, log
        self._last_asked = ""

    async def look_up(self, accounts: Iterable[Account], *, anew: bool) -> AsyncIterator[None]:
        """Ask for the tags of those that are in the organization; yield when there are some more.

        All of them `anew`, or only those never asked for, which come first in any case. What was
        last known stays where that fails.
        """
        settings, known = self._directory.settings, self._directory.known
        keys, members = settings.metrics.account_labels, known.members()
        if not keys or settings.aws.organization is None:
            return
        asking = self._in_order([each.id for each in accounts if each.id in members], anew=anew)
        failures: list[Failure] = []
        in_a_row = 0
        for number, account_id in enumerate(asking, start=1):
            failure = await self._directory.ask_tags(account_id, keys)
            self._last_asked = account_id
            in_a_row = in_a_row + 1 if failure else 0
            failures += [failure] if failure else []
            if in_a_row == _FRUITLESS:
                break
            if number % _HANDED_ON == 0:
                yield
            if number < len(asking):
                await asyncio.sleep(settings.shard.total / TAGS_A_SECOND)
        yield
        if failures:
            last, failed = failures[-1], len(failures)
            self._log.warning("tags_unknown", failed=failed, **last.fields(), hint=hint(last))

    def _in_order(self, listed: list[str], *, anew: bool) -> list[str]:
        """Return whom to ask; what is known of accounts that are gone is forgotten."""
        tags = self._directory.known.tags
        for gone in tags.keys() - {*listed}:
            del tags[gone]
        asking = [each for each in listed if each not in tags]
        # Where the last look broke off: some that are denied hide no others.
        start = asking.index(self._last_asked) + 1 if self._last_asked in asking else 0
        known = [each for each in listed if each in tags]
        return asking[start:] + asking[:start] + (known if anew else [])
