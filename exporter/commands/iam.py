"""`iam`: prints the least policies that this configuration needs."""

from collections.abc import Iterator, Sequence

from exporter.commands import OK, Process
from exporter.commands.arguments import Arguments
from exporter.commands.start import configuration_of
from exporter.iam.policies import Kind, grants
from exporter.iam.templates import (
    DOCUMENTS,
    HUB_PRINCIPAL,
    OF_EACH_KIND,
    ORGANIZATION_ID,
    documents,
)
from exporter.settings import ConfigurationError

_SHOWN = 3
"""Roles of a kind that are named where several kinds are refused."""


def run(arguments: Arguments, process: Process) -> int:
    """Print them; raises ConfigurationError, also for one that nobody needs, or that is several."""
    settings = configuration_of(arguments, process).settings
    wanted = arguments.matching("document", "|".join(DOCUMENTS))
    names = (wanted,) if wanted else tuple(DOCUMENTS)
    like = "arn:aws:iam::444455556666:role/x or 444455556666"
    hub = arguments.matching("hub-principal", HUB_PRINCIPAL, like)
    organization = arguments.matching("organization-id", ORGANIZATION_ID, "o-a1b2c3d4e5")
    kinds = grants(settings).kinds
    if wanted in OF_EACH_KIND and len(kinds) > 1:
        raise ConfigurationError(_several(wanted, kinds))
    text = documents(settings, names, hub, organization)
    if not text:
        line = f"--document = {wanted}: no role is assumed: configure aws.accounts with role_name, "
        raise ConfigurationError([f"{line}or aws.organization"])
    process.stdout.write(text)
    return OK


def _several(wanted: str, kinds: Sequence[Kind]) -> Iterator[str]:
    """Say how roles differ, so that one document does not fit all of them."""
    names, externals = {kind.role_name for kind in kinds}, {kind.external_id for kind in kinds}
    differing = {"their names": names, "external_id": externals}
    said = " and ".join(each for each, values in differing.items() if len(values) > 1)
    yield (
        f"--document = {wanted}: one does not fit all roles, which differ in {said}: configure "
        "those of one kind at a time, or leave --document out to read one for each"
    )
    for kind in kinds:
        more = f" and {len(kind.arns) - _SHOWN} more" if len(kind.arns) > _SHOWN else ""
        external = "with an external_id of their own" if kind.external_id else "without external_id"
        yield f"  {', '.join(kind.arns[:_SHOWN])}{more}, {external}"
