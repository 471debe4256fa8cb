"""The demo command's parts: the child's environment, and what is said about it."""

import io
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from exporter.demo import command, server

REPOSITORY = Path(command.__file__).parents[2]
# Stands in for the exporter: is ready at once, and ends on SIGTERM with a code of its own.
STAND_IN = """
import http.server, os, signal, sys

print("logged at the start", file=sys.stderr, flush=True)

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/-/ready" else 404)
        self.end_headers()
    def log_message(self, *_):
        pass

signal.signal(signal.SIGHUP, lambda *_: print("reloaded", flush=True))
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
host, port = os.environ["MACIE_EXPORTER_WEB__LISTEN_ADDRESS"].split(":")
http.server.HTTPServer((host, int(port)), Handler).serve_forever()
"""
DEMO = "import sys, exporter.demo.command as demo; sys.exit(demo.run({!r}, [], sys.stdout))"


def free_address() -> str:
    """Return an address on loopback that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def test_the_exporter_gets_a_clean_environment() -> None:
    """Nothing of the user's AWS set-up passes, nothing else but what Python needs either."""
    ours = {
        "PATH": "/bin",
        "LANG": "C.UTF-8",
        "PYTHONPATH": "/src",
        "AWS_PROFILE": "production",
        "HTTP_PROXY": "http://proxy",
        "MACIE_EXPORTER_LOG__LEVEL": "debug",
    }
    aws = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    made = command.child_environment(ours, aws, ":10058")
    names = {name for name in made if not name.startswith("MACIE_EXPORTER_")}
    assert names == {"PATH", "LANG", "PYTHONPATH", "AWS_ENDPOINT_URL", "NO_PROXY"}
    assert "MACIE_EXPORTER_LOG__LEVEL" not in made


def test_the_configuration_becomes_variables() -> None:
    """Nested keys are joined by two underscores; lists and booleans are JSON."""
    tree = {"aws": {"regions": ["eu-west-1"]}, "a": {"b_c": {"enabled": True}}, "x": {"i": "10s"}}
    assert dict(command.variables("MACIE_EXPORTER", tree)) == {
        "MACIE_EXPORTER_AWS__REGIONS": '["eu-west-1"]',
        "MACIE_EXPORTER_A__B_C__ENABLED": "true",
        "MACIE_EXPORTER_X__I": "10s",
    }


def test_a_child_that_ends_early_is_reported() -> None:
    """An exporter that refuses its flags ends the demo with its exit code, and a word on it."""
    said = io.StringIO()
    assert command.run("127.0.0.1:0", ["--no-such-flag"], said) != 0
    assert "ended before it was ready, with exit code" in said.getvalue()


def test_signals_reach_the_exporter_whose_code_is_ours(tmp_path: Path) -> None:
    """Addresses are said once it is ready, before its log; it gets SIGHUP and SIGTERM."""
    (tmp_path / "exporter").mkdir()
    (tmp_path / "exporter" / "__init__.py").touch()
    (tmp_path / "exporter" / "__main__.py").write_text(STAND_IN)
    address = free_address()
    # -P: the demo itself comes from the repository, and only its child from the folder here.
    with subprocess.Popen(
        [sys.executable, "-P", "-c", DEMO.format(address)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as demo:
        assert demo.stdout is not None
        try:
            said = [demo.stdout.readline() for _ in range(10)]
            assert demo.stdout.readline() == "logged at the start\n"
            assert f"  http://{address}/metrics  what Prometheus reads\n" in said
            demo.send_signal(signal.SIGHUP)
            assert demo.stdout.readline() == "reloaded\n"
        finally:
            demo.terminate()
        assert demo.wait() == 7


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (":10058", ("127.0.0.1", 10058)),
        ("0.0.0.0:80", ("127.0.0.1", 80)),
        ("[::]:80", ("127.0.0.1", 80)),
        ("[::1]:80", ("::1", 80)),
        ("localhost:80", ("localhost", 80)),
        ("nonsense", ("127.0.0.1", 0)),
    ],
)
def test_the_probe_goes_to_loopback(address: str, expected: tuple[str, int]) -> None:
    """What listens everywhere is asked over loopback."""
    assert command.probe_address(address) == expected


def test_without_moto_the_message_says_what_to_install(tmp_path: Path) -> None:
    """Importing the demo needs no moto; running it without says which extra is missing."""
    (tmp_path / "moto.py").write_text("raise ImportError('not here')\n")
    script = (
        "import sys, exporter.demo.command as command\n"
        "assert 'werkzeug' not in sys.modules\n"
        "sys.exit(command.run(':0', [], sys.stdout))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": f"{tmp_path}:{REPOSITORY}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, f"{server.MISSING_MOTO}\n")
