"""Rules over several settings, on what was written: so they show beside all other errors."""

import re
from collections.abc import Iterator, Sequence

from exporter.model import MACIE_REGIONS, in_other_partition
from exporter.nearest import nearest
from exporter.settings.fields import AUTO, regions_of
from exporter.settings.keys import Path, dotted
from exporter.settings.sources import Held, Layer, Problem, held
from exporter.settings.written import show

_REGIONS: Path = ("aws", "regions")
_ACCOUNTS: Path = ("aws", "accounts")
_TRUE = {"true", "1", "yes", "on", "t", "y"}
_REGION = re.compile(r"[a-z]{2,}(?:-[a-z]+)+-[0-9]+")


def problems(layers: Sequence[Layer]) -> Iterator[Problem]:
    """Give what is wrong between settings."""
    accounts = held(layers, _ACCOUNTS)
    yield from _accounts_twice(accounts)
    yield from _trust_without_organization(layers)
    allowed = _is_true(held(layers, ("aws", "allow_unknown_regions")))
    yield from _unknown_regions(_REGIONS, held(layers, _REGIONS), allowed=allowed)
    for index, account in _mappings(accounts):
        regions = Held(account.get("regions"), accounts.origin)
        yield from _unknown_regions((*_ACCOUNTS, index, "regions"), regions, allowed=allowed)


def _trust_without_organization(layers: Sequence[Layer]) -> Iterator[Problem]:
    path: Path = ("metrics", "trust_organization")
    trust = held(layers, path)
    if _is_true(trust) and held(layers, ("aws", "organization")).value is None:
        message = "needs aws.organization: else nobody says who belongs to the organization"
        yield Problem(path, message, show(trust.value), trust.origin)


def _is_true(written: Held) -> bool:
    return str(written.value).lower() in _TRUE


def needs_region(layers: Sequence[Layer]) -> bool:
    """Tell whether anything is polled in a region that is not configured."""
    accounts = held(layers, _ACCOUNTS)
    if regions_of(held(layers, _REGIONS).value):
        return False
    lacking = not accounts.value or any(not a.get("regions") for _, a in _mappings(accounts))
    return lacking or held(layers, ("aws", "organization")).value is not None


def _mappings(accounts: Held) -> Iterator[tuple[int, dict[str, object]]]:
    listed = accounts.value if isinstance(accounts.value, list) else ()
    return ((index, item) for index, item in enumerate(listed) if isinstance(item, dict))


def _accounts_twice(accounts: Held) -> Iterator[Problem]:
    first: dict[str, Path] = {}
    for index, account in _mappings(accounts):
        identity = account.get("id")
        here = (*_ACCOUNTS, index)
        if not isinstance(identity, str):
            continue
        if identity in first:
            message = f"already listed as {dotted(first[identity])}"
            yield Problem((*here, "id"), message, show(identity), accounts.origin)
        first.setdefault(identity, here)


def _unknown_regions(path: Path, written: Held, *, allowed: bool) -> Iterator[Problem]:
    regions = regions_of(written.value)
    for index, region in enumerate(regions if isinstance(regions, list) else ()):
        if not isinstance(region, str) or region == AUTO:
            continue
        if in_other_partition(region):
            message = "in another partition than aws, in which alone Macie is known"
            yield Problem((*path, index), message, show(region), written.origin)
        elif not (_REGION.fullmatch(region) if allowed else region in MACIE_REGIONS):
            best = nearest(region, (*MACIE_REGIONS, AUTO))
            message = f"not a region with Macie; the nearest is {best}"
            hint = " (newer than this release? set aws.allow_unknown_regions to true)"
            said = message if allowed else message + hint
            yield Problem((*path, index), said, show(region), written.origin)
