"""From flags, environment and file to the tree of settings, or to every reason why not, at once."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from pydantic import ValidationError
from pydantic_settings import InitSettingsSource

from exporter.model import MACIE_REGIONS, in_other_partition
from exporter.nearest import suggestion
from exporter.settings.errors import ConfigurationError, Path, Problem, dotted, message, show
from exporter.settings.fields import AUTO, listed, regions_of
from exporter.settings.keys import KEYS, may_hold_secret, named
from exporter.settings.sources import Sources, read_sources, unknown_key
from exporter.settings.tree import Settings

_ACCOUNTS, _REGIONS = ("aws", "accounts"), ("aws", "regions")
_TRUST = ("metrics", "trust_organization")
_TRUE = {"true", "1", "yes", "on", "t", "y"}
_REGION = re.compile(r"[a-z]{2,}(?:-[a-z]+)+-[0-9]+")
_NO_REGION = (
    "not set, and the AWS environment names no region: set one, as in --aws.regions=eu-west-1 or "
    "AWS_REGION=eu-west-1"
)


def load(
    flags: Iterable[tuple[str, str]],
    environ: Mapping[str, str],
    region: str | None = None,
    wrong: Iterable[str] = (),
) -> Settings:
    """Load the settings: flags, as (dotted kebab-case name, text), over environment over file.

    `region` is that of the AWS environment, for accounts without one of their own. Empty, it is an
    error if any account needs it, and nothing else is wrong; None leaves such accounts without.

    Raises ConfigurationError with everything that is wrong, after what is `wrong` already.
    """
    sources, settings = read_sources(flags, environ), None
    lacks_region = region is not None and _needs_region(sources)
    if lacks_region and region:
        sources.put(_REGIONS, [region], "the AWS environment")
    problems = [*sources.problems, *_between(sources)]
    try:
        settings = Settings(_build_sources=((InitSettingsSource(Settings, sources.tree),), {}))
    except ValidationError as error:
        problems += _refused(error, sources)
    if lacks_region and not region and not problems:
        # Alone: whoever looks at a file elsewhere than where it is to run has none, and knows it.
        problems = [Problem(_REGIONS, _NO_REGION)]
    lines = [*wrong, *map(str, problems)]
    if settings is None or lines:
        # Not from pydantic's error: it holds every value, secrets included.
        raise ConfigurationError(lines)
    return settings


def _refused(error: ValidationError, sources: Sources) -> Iterator[Problem]:
    """Word everything that pydantic found wrong, with where it comes from."""
    for detail in error.errors(include_url=False):
        path, origin = detail["loc"], sources.origin(detail["loc"])
        key = KEYS.get(named(path))
        match detail["type"]:
            case "default_factory_not_called":
                pass  # It follows from another.
            case "extra_forbidden":
                yield unknown_key(path, origin)
            case kind:
                is_silent = kind == "missing" or may_hold_secret(path)
                shown = "" if is_silent else show(detail["input"])
                yield Problem(path, message(detail, key.keys if key else ()), shown, origin)


def _between(written: Sources) -> Iterator[Problem]:
    """Say what is wrong between settings, as they were written: so it shows beside all else."""
    trust = written.value(*_TRUST)
    if _is_true(trust) and written.value("aws", "organization") is None:
        said = "needs aws.organization: else nobody says who belongs to the organization"
        yield Problem(_TRUST, said, show(trust), written.origin(_TRUST))
    allowed = _is_true(written.value("aws", "allow_unknown_regions"))
    places: list[tuple[Path, object]] = [(_REGIONS, written.value(*_REGIONS))]
    first: dict[object, Path] = {}
    for index, account in enumerate(_accounts(written)):
        identity, here = account.get("id"), (*_ACCOUNTS, index)
        if isinstance(identity, str) and first.setdefault(identity, here) != here:
            said = f"already listed as {dotted(first[identity])}"
            yield Problem((*here, "id"), said, show(identity), written.origin(here))
        places.append(((*here, "regions"), account.get("regions")))
    for path, regions in places:
        for index, region in enumerate(_items(regions_of, regions)):
            if said := _wrong_region(region, allowed=allowed):
                yield Problem((*path, index), said, show(region), written.origin(path))


def _is_true(value: object) -> bool:
    return str(value).lower() in _TRUE


def _needs_region(written: Sources) -> bool:
    """Return whether anything is polled in a region that is not configured."""
    if _items(regions_of, written.value(*_REGIONS)):
        return False
    accounts = _accounts(written)
    lacking = not accounts or any(not account.get("regions") for account in accounts)
    return lacking or written.value("aws", "organization") is not None


def _accounts(written: Sources) -> list[dict[str, object]]:
    accounts = _items(listed, written.value(*_ACCOUNTS))
    return [each if isinstance(each, dict) else {} for each in accounts]


def _items(read: Callable[[object], object], value: object) -> list[object]:
    try:
        found = read(value)
    except ValueError:
        return []  # Which the field says.
    return found if isinstance(found, list) else []


def _wrong_region(region: object, *, allowed: bool) -> str:
    if region == AUTO or not isinstance(region, str):
        return ""
    if in_other_partition(region):
        return "not in the partition aws, the only one with Macie"
    if _REGION.fullmatch(region) if allowed else region in MACIE_REGIONS:
        return ""
    hint = "" if allowed else " (newer than this release? set aws.allow_unknown_regions to true)"
    return f"not a region with Macie; {suggestion(region, (*MACIE_REGIONS, AUTO))}{hint}"
