"""The exporter as a process with a web file: start, metrics, `check`, and what it never says."""

import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
import yaml

from tests.conftest import require
from tests.monitoring import running as prometheus
from tests.processes import Answer, Exporter, command, no_aws, running, series_of, until
from tests.web.pki import Authority, Pair
from tests.web.secured import SECRETS, basic, hashed, trusting
from tests.web.serving import Client, crowd

NAMES = (
    "macie_exporter_web_config_last_reload_successful",
    "macie_exporter_web_config_last_reload_success_timestamp_seconds",
    "macie_exporter_web_certificate_expiry_timestamp_seconds",
)
REFUSED = "macie_exporter_web_tls_handshakes_refused_total", frozenset[tuple[str, str]]()
PASSWORD = "marked-password"
ALLOWED = {"Authorization": basic("prometheus", PASSWORD)}
PATHS = ("/", "/metrics", "/-/ready", "/-/healthy", "/targets", "/api/v1/targets", "/x")


@dataclass(frozen=True)
class Guarded:
    """A running exporter with mutual TLS and a password on top, and who may come in."""

    exporter: Exporter
    folder: Path
    file: Path
    pair: Pair
    authority: Authority
    client: Pair

    def ask(self, path: str = "/metrics", **headers: str) -> Answer:
        """Ask with the client's certificate."""
        context = trusting(self.authority, self.client)
        return Client(self.exporter.port, context=context)(path, **headers)

    def samples(self) -> list[float | None]:
        """Return the values of the three metrics."""
        return web(series_of(self.ask(**ALLOWED).body.decode()))


def web(samples: Mapping[tuple[str, frozenset[tuple[str, str]]], float]) -> list[float | None]:
    """Return the values of the three metrics."""
    return [samples.get((name, frozenset())) for name in NAMES]


def mutual(authority: Authority, pair: Pair) -> str:
    """Write a web file that names no other: mutual TLS, and a password on top."""
    content = {
        "tls_server_config": {
            "cert": pair.certificate,
            "key": pair.key,
            "client_ca": authority.pem,
            "client_auth_type": "RequireAndVerifyClientCert",
        },
        "basic_auth_users": {"prometheus": hashed(PASSWORD)},
    }
    return yaml.safe_dump(content)


@pytest.fixture(scope="module")
def guarded(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """The exporter, which all tests of the module share; each leaves the web file as it was."""
    folder = tmp_path_factory.mktemp("guarded")
    file, pair = folder / "web.yml", authority.sign()
    file.write_text(mutual(authority, pair))
    flags = [f"--web.config-file={file}", "--log.level=debug"]
    with running(no_aws(folder), flags) as exporter:
        yield Guarded(exporter, folder, file, pair, authority, authority.sign())


def test_metrics_of_the_web_file(guarded: Guarded) -> None:
    """Its state and the certificate's end; a bad file turns the first to 0 and stays out."""
    assert guarded.exporter.port
    told = 'web="https, client certificates required, basic authentication"'
    assert told in next(line for line in guarded.exporter.lines if "event=listening" in line)
    successful, loaded, expiry = guarded.samples()
    assert (successful, expiry) == (1, guarded.pair.expiry)
    assert loaded
    with pytest.raises((ssl.SSLError, ConnectionError)):
        Client(guarded.exporter.port, context=trusting(guarded.authority))("/metrics")
    assert series_of(guarded.ask(**ALLOWED).body.decode())[REFUSED] == 1
    good = guarded.file.read_text()
    guarded.file.write_text("basic_auth_users: {prometheus: plain}")
    until(lambda: guarded.samples()[0] == 0, "the refusal")
    assert guarded.samples()[1:] == [loaded, expiry]
    assert "event=web_config_refused" in guarded.exporter.log
    guarded.file.write_text(good)
    until(lambda: guarded.samples()[0] == 1, "the good file")


def test_every_path_wants_the_password_and_none_tells_it(guarded: Guarded) -> None:
    """Neither what is answered nor the log, at debug level, shows password, hash or key."""
    wrong = {"Authorization": basic("prometheus", "marked-wrong")}
    answers = [guarded.ask(path, **headers) for path in PATHS for headers in ({}, wrong, ALLOWED)]
    assert [answer.status == 401 for answer in answers] == [True, True, False] * len(PATHS)
    said = guarded.exporter.log + "".join(answer.body.decode() for answer in answers)
    secrets = (*SECRETS, guarded.pair.key.splitlines()[1])
    assert [secret for secret in secrets if secret in said] == []


def test_a_real_prometheus_scrapes_with_certificate_and_password(guarded: Guarded) -> None:
    """With its own `tls_config` and `basic_auth`, as its documentation has them."""
    program = require("prometheus")
    certificate, key = guarded.client.write(guarded.folder, "client")
    authority = guarded.folder / "ca.pem"
    authority.write_text(guarded.authority.pem)
    job = {
        "job_name": "macie",
        "scheme": "https",
        "scrape_interval": "1s",
        "tls_config": {
            "ca_file": str(authority),
            "cert_file": str(certificate),
            "key_file": str(key),
        },
        "basic_auth": {"username": "prometheus", "password": PASSWORD},
        "static_configs": [{"targets": [f"127.0.0.1:{guarded.exporter.port}"]}],
    }
    with prometheus(program, guarded.folder, {"scrape_configs": [job]}) as peer:
        until(lambda: peer.now("up == 1") != [], "a scrape")
        (found,) = peer.now(NAMES[0])
        assert found["value"][1] == "1"


def _said(exporter: Exporter, words: str) -> bool:
    return words in exporter.log


def test_no_file_that_says_nothing_and_no_half_one_lets_anybody_in(tmp_path: Path) -> None:
    """Of the web file and of the configuration that names it, whoever has them read anew."""
    file, web_file = tmp_path / "exporter.yaml", tmp_path / "web.yml"
    users = f"basic_auth_users: {{prometheus: {hashed(PASSWORD)}}}\n"
    web_file.write_text(users)
    parts = "poll: {interval: 1m}\n", f"web: {{config_file: {web_file}, enable_lifecycle: true}}\n"
    file.write_text("".join(parts))
    with (
        running(no_aws(tmp_path), [f"--config.file={file}"]) as exporter,
        crowd(lambda _: exporter.request("/metrics"), 1) as statuses,
    ):
        web_file.write_text("")
        exporter.send(signal.SIGHUP)
        until(partial(_said, exporter, "event=reload_failed"), "the reload's refusal")
        web_file.write_text("# x\n")
        assert exporter.request("/-/reload", "POST", ALLOWED).status == 500
        web_file.write_text("basic_auth_users:\n")
        told = 'event=web_config_refused error="basic_auth_users '
        until(partial(_said, exporter, told), lambda: f"the watcher's refusal\n{exporter.log}")
        assert web(series_of(exporter.request("/metrics", headers=ALLOWED).body.decode()))[0] == 0
        web_file.write_text(users)
        file.write_text(parts[0])
        exporter.send(signal.SIGHUP)
        # It reads the half and waits. On a machine that is slower this proves less, and fails not.
        time.sleep(1)
        file.write_text("".join(parts))
        until(partial(_said, exporter, "event=reloaded"), lambda: f"the reload\n{exporter.log}")
    assert set(statuses) == {401}


def test_a_wrong_file_is_told_at_the_start(tmp_path: Path) -> None:
    """Exit code 2, every line names a key, nothing is served."""
    file = tmp_path / "web.yml"
    file.write_text("tls_server_config: {cert_file: a.pem}\nbasic_auth_users: {a: marked-secret}")
    ran = command(no_aws(tmp_path), "serve", f"--web.config-file={file}")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.splitlines() == [
        f"tls_server_config (from {file}): key_file is required, or key",
        (
            f"basic_auth_users.a (from {file}): not a bcrypt hash with a cost from 4 to 18; "
            "make one with: htpasswd -nBC 10 USER"
        ),
    ]


def test_check_says_what_the_file_means(authority: Authority, tmp_path: Path) -> None:
    """In one line, after what it means otherwise than it may be thought to."""
    file = tmp_path / "web.yml"
    file.write_text("http_server_config: {http2: true}\n" + mutual(authority, authority.sign()))
    ran = command(no_aws(tmp_path), "check", f"--web.config-file={file}")
    assert (ran.returncode, ran.stderr) == (0, "")
    *_, warning, rules = ran.stdout.splitlines()
    assert warning == (
        f"# warning: http_server_config.http2 (from {file}): HTTP/2 is not spoken here: HTTP/1.1 "
        "is, and Prometheus needs no more"
    )
    assert rules == "# web: https, client certificates required, basic authentication"


def test_what_not_every_start_needs_is_not_loaded() -> None:
    """Bcrypt and cryptography are for a web file, Jinja2 for who looks at a page."""
    code = (
        "import sys; from exporter.commands import serve; "
        "sys.exit(not {'bcrypt', 'cryptography', 'jinja2'}.isdisjoint(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
