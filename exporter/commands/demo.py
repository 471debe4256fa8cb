"""`demo`: runs the exporter against an embedded AWS with a believable organization on it."""

from exporter.commands import FAILED, Process, complain
from exporter.commands.arguments import Arguments
from exporter.demo.command import run as run_demo
from exporter.demo.command import variables
from exporter.settings import load
from exporter.settings.fields import listen_address
from exporter.web.server import AddressInUseError, listen
from exporter.web.watcher import check_web_file


def run(arguments: Arguments, process: Process) -> int:
    """Run until it is stopped; settings are passed on. Return the exporter's exit code.

    What would end the exporter at once is said before the demo's own words, which would hide it.
    Raises ConfigurationError.
    """
    web = load(arguments.flags, variables("")).web
    check_web_file(web.config_file)
    try:
        listen(*listen_address(web.listen_address)).close()
    except AddressInUseError as error:
        complain(process, [str(error)])
        return FAILED
    given = [f"--{name}={text}" for name, text in arguments.flags if name != "web.listen-address"]
    return run_demo(web.listen_address, given, process.stdout)
