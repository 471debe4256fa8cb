"""`iam`: prints the least policies that this configuration needs."""

from exporter.commands import OK, Process
from exporter.commands.arguments import Arguments
from exporter.commands.start import configuration_of
from exporter.iam.templates import DOCUMENTS, HUB_PRINCIPAL, ORGANIZATION_ID, documents
from exporter.settings import ConfigurationError


def run(arguments: Arguments, process: Process) -> int:
    """Print them; raises ConfigurationError, also for a document that nobody needs."""
    settings = configuration_of(arguments, process).settings
    wanted = arguments.matching("document", "|".join(DOCUMENTS))
    names = (wanted,) if wanted else tuple(DOCUMENTS)
    like = "arn:aws:iam::444455556666:role/x or 444455556666"
    hub = arguments.matching("hub-principal", HUB_PRINCIPAL, like)
    organization = arguments.matching("organization-id", ORGANIZATION_ID, "o-a1b2c3d4e5")
    text = documents(settings, names, hub, organization)
    if not text:
        line = f"--document = {wanted}: no role is assumed: configure aws.accounts with role_name, "
        raise ConfigurationError([f"{line}or aws.organization"])
    process.stdout.write(text)
    return OK
