"""`demo`: runs the exporter against an embedded AWS with a believable organization on it."""

from exporter.commands import Process
from exporter.commands.arguments import Arguments
from exporter.demo.command import run as run_demo


def run(arguments: Arguments, process: Process) -> int:
    """Run until it is stopped; settings are passed on. Return the exporter's exit code."""
    given = dict(arguments.flags)
    address = given.pop("web.listen-address", ":10058")
    return run_demo(address, [f"--{name}={text}" for name, text in given.items()], process.stdout)
