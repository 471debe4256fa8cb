"""`check`: prints the effective configuration and what it means, without using the network."""

from exporter.commands import OK, Process
from exporter.commands.arguments import Arguments
from exporter.commands.check_report import report
from exporter.commands.start import configuration_of
from exporter.settings import ConfigurationError, Settings
from exporter.settings.sources import read_sources
from exporter.web.watcher import check_web_file


def run(arguments: Arguments, process: Process) -> int:
    """Print both; raises ConfigurationError with what is wrong in the settings and the web file."""
    assumed = int(arguments.matching("assume-accounts", "[0-9]{1,6}", like="500") or "0")
    try:
        settings = configuration_of(arguments, process).settings
    except ConfigurationError as error:
        file = read_sources(arguments.flags, process.environ).value("web", "config_file")
        raise ConfigurationError([*error.lines, *_wrong_web_file(file)]) from None
    rules = check_web_file(settings.web.config_file)
    _check_assumption(settings, assumed)
    warnings = "".join(f"# warning: {warning}\n" for warning in rules.warnings)
    process.stdout.write(f"{report(settings, assumed)}{warnings}# web: {rules}\n")
    return OK


def _wrong_web_file(file: object) -> tuple[str, ...]:
    try:
        check_web_file(file if isinstance(file, str) else "")
    except ConfigurationError as error:
        return error.lines
    return ()


def _check_assumption(settings: Settings, assumed: int) -> None:
    if assumed and not settings.aws.organization:
        said = "no accounts are discovered, since aws.organization is not set"
        raise ConfigurationError([f"--assume-accounts = {assumed}: {said}"])
