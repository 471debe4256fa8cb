"""Rules over several settings, on what was written: so they show beside all other errors."""

import re
from collections.abc import Callable, Iterator

from exporter.model import MACIE_REGIONS, in_other_partition
from exporter.nearest import nearest
from exporter.settings.errors import Path, Problem, dotted, show
from exporter.settings.fields import AUTO, listed, regions_of
from exporter.settings.sources import Sources

_ACCOUNTS = ("aws", "accounts")
_TRUE = {"true", "1", "yes", "on", "t", "y"}
_REGION = re.compile(r"[a-z]{2,}(?:-[a-z]+)+-[0-9]+")


def problems(written: Sources) -> Iterator[Problem]:
    """Say what is wrong between settings."""
    yield from _accounts_twice(written)
    yield from _trust_without_organization(written)
    allowed = _is_true(written.value("aws", "allow_unknown_regions"))
    places: list[tuple[Path, object]] = [(("aws", "regions"), written.value("aws", "regions"))]
    places += [((*_ACCOUNTS, i, "regions"), a.get("regions")) for i, a in _accounts(written)]
    for path, regions in places:
        for index, region in enumerate(_items(regions_of, regions)):
            said = _wrong_region(region, allowed=allowed) if isinstance(region, str) else ""
            if said:
                yield Problem((*path, index), said, show(region), written.origin(path))


def _trust_without_organization(written: Sources) -> Iterator[Problem]:
    path = ("metrics", "trust_organization")
    trust = written.value(*path)
    if _is_true(trust) and written.value("aws", "organization") is None:
        said = "needs aws.organization: else nobody says who belongs to the organization"
        yield Problem(path, said, show(trust), written.origin(path))


def _is_true(value: object) -> bool:
    return str(value).lower() in _TRUE


def needs_region(written: Sources) -> bool:
    """Return whether anything is polled in a region that is not configured."""
    if _items(regions_of, written.value("aws", "regions")):
        return False
    accounts = [account for _, account in _accounts(written)]
    lacking = not accounts or any(not account.get("regions") for account in accounts)
    return lacking or written.value("aws", "organization") is not None


def _items(read: Callable[[object], object], value: object) -> list[object]:
    try:
        found = read(value)
    except ValueError:
        return []  # Which the field says.
    return found if isinstance(found, list) else []


def _accounts(written: Sources) -> list[tuple[int, dict[str, object]]]:
    accounts = _items(listed, written.value(*_ACCOUNTS))
    return [(index, item) for index, item in enumerate(accounts) if isinstance(item, dict)]


def _accounts_twice(written: Sources) -> Iterator[Problem]:
    first: dict[str, Path] = {}
    for index, account in _accounts(written):
        identity, here = account.get("id"), (*_ACCOUNTS, index)
        if isinstance(identity, str) and first.setdefault(identity, here) != here:
            said = f"already listed as {dotted(first[identity])}"
            yield Problem((*here, "id"), said, show(identity), written.origin(here))


def _wrong_region(region: str, *, allowed: bool) -> str:
    if region == AUTO:
        return ""
    if in_other_partition(region):
        return "not in the partition aws, the only one with Macie"
    if _REGION.fullmatch(region) if allowed else region in MACIE_REGIONS:
        return ""
    hint = " (newer than this release? set aws.allow_unknown_regions to true)"
    best = nearest(region, (*MACIE_REGIONS, AUTO))
    return f"not a region with Macie; the nearest is {best}{'' if allowed else hint}"
