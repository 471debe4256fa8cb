"""What `check` prints: the effective configuration, and what it means. No network."""

import yaml

from exporter.core import options_of
from exporter.estimate import MANY_SERIES, Estimate, estimate
from exporter.settings import Settings
from exporter.settings.tree import AUTO

HIDDEN = "<hidden>"


def report(settings: Settings, default_region: str) -> str:
    """Give the effective configuration as YAML, secrets hidden, and its numbers as comments."""
    tree = settings.model_dump(mode="json", exclude={"config"}, exclude_none=True)
    tree["aws"]["regions"] = tree["aws"]["regions"] or [default_region]
    text = yaml.safe_dump(_hidden(tree), sort_keys=False, default_flow_style=False)
    numbers = estimated(settings)
    lines = [
        f"# targets: {numbers.targets}{_approximation(settings)}",
        f"# series: about {numbers.series}",
        f"# AWS API calls an hour: about {numbers.calls_an_hour}",
    ]
    if numbers.series > MANY_SERIES:
        lines.append(f"# warning: {too_many(numbers)}")
    return "\n".join([text.rstrip(), *lines, ""])


def too_many(numbers: Estimate) -> str:
    """Say that there will be very many series, and what to do."""
    return (
        f"about {numbers.series} series: set metrics.zero_fill to invited or none, or use shards"
    )


def estimated(settings: Settings) -> Estimate:
    """Estimate from the configured accounts and regions alone."""
    accounts = settings.aws.accounts
    everywhere = len(settings.aws.regions) or 1
    targets = sum(len(account.regions) or everywhere for account in accounts) or everywhere
    return estimate(
        accounts=len(accounts) or 1,
        assumed=sum(bool(account.role_arn or account.role_name) for account in accounts),
        targets=targets,
        interval=settings.poll.interval.total_seconds(),
        options=options_of(settings),
    )


def _approximation(settings: Settings) -> str:
    parts = []
    if settings.aws.organization:
        parts.append("the organization's accounts come on top")
    if settings.auto_regions:
        parts.append(f"regions `{AUTO}` count as one")
    return f" ({'; '.join(parts)})" if parts else ""


def _hidden(tree: object) -> object:
    if isinstance(tree, dict):
        return {
            key: HIDDEN if key == "external_id" else _hidden(value) for key, value in tree.items()
        }
    return [_hidden(item) for item in tree] if isinstance(tree, list) else tree
