"""What `check` prints: the effective configuration, and what it means. No network."""

from exporter.daemon import options_from, trust_from
from exporter.estimate import MANY_SERIES, Estimate, estimate
from exporter.model import DEFAULT_REGIONS
from exporter.settings import AccountSettings, Settings
from exporter.settings.fields import AUTO
from exporter.settings.written import write_yaml
from exporter.sharding import shard_of

WITHOUT_TRUST = (
    "nobody is named who may invite, so a stranger's invitation looks like any other and no alert "
    "can tell it: set metrics.trusted_inviters or metrics.trust_organization"
)

_UNSET: tuple[object, ...] = ("", [], {})


def report(settings: Settings) -> str:
    """Give the effective configuration as YAML, secrets hidden, and its numbers as comments."""
    tree = settings.model_dump(mode="json", exclude={"config"}, exclude_none=True)
    tree["aws"]["accounts"] = [
        {key: value for key, value in account.items() if value not in _UNSET}
        for account in tree["aws"]["accounts"]
    ]
    numbers = estimated(settings)
    lines = [
        f"# targets: {numbers.targets}{_remarks(settings)}",
        f"# series: about {numbers.series}, and those of the exporter itself",
        f"# AWS API calls an hour: about {numbers.calls_an_hour}",
    ]
    if numbers.series > MANY_SERIES:
        lines.append(f"# warning: {too_many(numbers)}")
    if not trust_from(settings).configured:
        lines.append(f"# warning: {WITHOUT_TRUST}")
    return "\n".join([write_yaml(tree), *lines, ""])


def too_many(numbers: Estimate) -> str:
    """Say that there will be very many series, and what to do."""
    return f"about {numbers.series} series: set metrics.zero_fill to invited or none, or use shards"


def estimated(settings: Settings) -> Estimate:
    """Estimate from the configured accounts and regions alone, as far as they are this shard's."""
    aws, shard = settings.aws, settings.shard
    mine = [each for each in aws.accounts if shard_of(each.id, shard.total) == shard.index]
    # Without configured or discovered accounts it is the one whose credentials there are.
    own = 0 if aws.accounts or aws.organization else 1
    return estimate(
        accounts=len(mine) + own,
        assumed=sum(bool(account.role_arn or account.role_name) for account in mine),
        targets=sum(_count(each, settings) for each in mine) + own * _count(None, settings),
        interval=settings.poll.interval.total_seconds(),
        options=options_from(settings, trust_from(settings)),
    )


def _count(account: AccountSettings | None, settings: Settings) -> int:
    regions = (account.regions if account else ()) or settings.aws.regions
    return len(DEFAULT_REGIONS) if regions == (AUTO,) else len(regions) or 1


def _remarks(settings: Settings) -> str:
    parts = []
    if settings.shard.total > 1:
        parts.append(f"in shard {settings.shard.index} of {settings.shard.total}")
    if settings.aws.organization:
        parts.append("the organization's accounts come on top")
    if settings.auto_regions:
        parts.append(f"regions `{AUTO}` count as {len(DEFAULT_REGIONS)}")
    return f" ({'; '.join(parts)})" if parts else ""
