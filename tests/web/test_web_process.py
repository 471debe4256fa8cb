"""The exporter as a process with a web file: start, metrics, `check`, and what it never says."""

import contextlib
import http.client
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import pytest
import yaml

from tests.conftest import require
from tests.monitoring import running as prometheus
from tests.processes import Exporter, command, no_aws, running, series_of, until
from tests.web.pki import Authority, Pair
from tests.web.secured import SECRETS, basic, hashed, trusting, with_secrets

NAMES = (
    "macie_exporter_web_config_last_reload_successful",
    "macie_exporter_web_config_last_reload_success_timestamp_seconds",
    "macie_exporter_web_certificate_expiry_timestamp_seconds",
)
REFUSED = "macie_exporter_web_tls_handshakes_refused_total", frozenset[tuple[str, str]]()
PASSWORD = "marked-password"


def ask(
    exporter: Exporter, path: str, context: ssl.SSLContext | None = None, **headers: str
) -> tuple[int, str]:
    """Ask a running exporter; give status and body."""
    port = exporter.port
    connection = (
        http.client.HTTPSConnection("127.0.0.1", port, timeout=30, context=context)
        if context
        else http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    )
    with contextlib.closing(connection):
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


@pytest.fixture
def client(authority: Authority) -> Pair:
    """A client's certificate."""
    return authority.sign()


@pytest.fixture
def web_file(authority: Authority, tmp_path: Path) -> Path:
    """Mutual TLS with a password on top."""
    pair = authority.sign()
    pair.write(tmp_path, "server")
    (tmp_path / "ca.pem").write_text(authority.pem)
    file = tmp_path / "web.yml"
    content = {
        "tls_server_config": {
            "cert_file": "server.pem",
            "key_file": "server.key",
            "client_ca_file": "ca.pem",
            "client_auth_type": "RequireAndVerifyClientCert",
        },
        "basic_auth_users": {"prometheus": hashed(PASSWORD)},
    }
    file.write_text(yaml.safe_dump(content))
    return file


def web(samples: Mapping[tuple[str, frozenset[tuple[str, str]]], float]) -> list[float | None]:
    """Return the values of the three metrics."""
    return [samples.get((name, frozenset())) for name in NAMES]


def test_metrics_of_the_web_file(
    web_file: Path, authority: Authority, client: Pair, tmp_path: Path
) -> None:
    """Its state and the certificate's end; a bad file turns the first to 0 and stays out."""
    context = trusting(authority, client)
    allowed = {"Authorization": basic("prometheus", PASSWORD)}

    def samples() -> list[float | None]:
        status, body = ask(exporter, "/metrics", context, **allowed)
        assert status == 200
        return web(series_of(body))

    with running(no_aws(tmp_path), [f"--web.config-file={web_file}"]) as exporter:
        assert 'web="https, client certificates required, basic authentication (1 user)"' in (
            next(line for line in exporter.lines if "event=listening" in line)
            if exporter.port
            else ""
        )
        successful, loaded, expiry = samples()
        assert successful == 1
        assert loaded
        assert expiry == pytest.approx(_expiry(tmp_path))
        for path in ("/metrics", "/-/healthy", "/-/ready", "/"):
            assert ask(exporter, path, context)[0] == 401
        with pytest.raises((ssl.SSLError, ConnectionError)):
            ask(exporter, "/metrics", trusting(authority))
        assert series_of(ask(exporter, "/metrics", context, **allowed)[1])[REFUSED] == 1
        web_file.write_text("basic_auth_users: {prometheus: plain}")
        until(lambda: samples()[0] == 0, "the refusal")
        assert samples()[1:] == [loaded, expiry]
        until(lambda: "event=web_config_refused" in exporter.log, "the refusal's line")


def test_a_file_that_says_nothing_lets_nobody_in(tmp_path: Path) -> None:
    """Whoever has it read anew, and though it stays so: the rules in force do too."""
    file = tmp_path / "web.yml"
    file.write_text(yaml.safe_dump({"basic_auth_users": {"prometheus": hashed(PASSWORD)}}))
    password = {"Authorization": basic("prometheus", PASSWORD)}
    flags = [f"--web.config-file={file}", "--web.enable-lifecycle=true"]
    with running(no_aws(tmp_path), flags) as exporter:
        assert exporter.request("/metrics").status == 401
        file.write_text("")
        exporter.send(signal.SIGHUP)
        until(partial(_said, exporter, "event=reload_failed", 1), "the reload's refusal")
        assert exporter.request("/metrics").status == 401
        file.write_text("# x\n")
        assert exporter.request("/-/reload", "POST", password).status == 500
        assert exporter.request("/metrics").status == 401
        file.write_text("basic_auth_users:\n")
        told = 'event=web_config_refused error="basic_auth_users '
        until(partial(_said, exporter, told, 1), lambda: f"the watcher's refusal\n{exporter.log}")
        assert exporter.request("/metrics").status == 401
        answer = exporter.request("/metrics", headers=password)
        assert answer.status == 200
        assert web(series_of(answer.body.decode()))[0] == 0


def _said(exporter: Exporter, words: str, times: int) -> bool:
    return exporter.log.count(words) >= times


@contextlib.contextmanager
def strangers(exporter: Exporter) -> Iterator[list[int]]:
    """Have somebody without a password ask all the time; give what is answered."""
    statuses: list[int] = []
    ended = threading.Event()

    def ask_on() -> None:
        while not ended.is_set():
            statuses.append(exporter.request("/metrics").status)

    thread = threading.Thread(target=ask_on)
    thread.start()
    try:
        yield statuses
    finally:
        ended.set()
        thread.join()


def write_slowly(file: Path, *parts: str) -> None:
    """Write a file in place, as a slow copy does; each part alone would be a file."""
    with file.open("w") as writer:
        for part in parts:
            writer.write(part)
            writer.flush()
            time.sleep(0.3)


def test_a_file_that_is_being_written_lets_nobody_in(tmp_path: Path) -> None:
    """It is read when it has settled, whoever asks; and then it holds."""
    file = tmp_path / "web.yml"
    rest = "http_server_config: {headers: {X-Frame-Options: deny}}\n"

    def users(password: str) -> str:
        return f"basic_auth_users: {{prometheus: {hashed(password)}}}\n"

    file.write_text(rest + users("old"))
    flags = [f"--web.config-file={file}", "--web.enable-lifecycle=true"]
    with running(no_aws(tmp_path), flags) as exporter, strangers(exporter) as statuses:
        until(lambda: len(statuses) > 10, "the first requests")
        for attempt in range(10):
            if attempt % 5 == 2:
                exporter.send(signal.SIGHUP)
            write_slowly(file, rest, users("new"))
        new = {"Authorization": basic("prometheus", "new")}
        until(lambda: exporter.request("/metrics", headers=new).status == 200, "the new file")
    assert set(statuses) == {401}


def test_a_configuration_that_is_being_written_lets_nobody_in(tmp_path: Path) -> None:
    """Half of one may not name the web file: it too is read when it has settled."""
    file, web_file = tmp_path / "exporter.yaml", tmp_path / "web.yml"
    web_file.write_text(f"basic_auth_users: {{prometheus: {hashed(PASSWORD)}}}\n")
    parts = "poll: {interval: 1m}\n", f"web: {{config_file: {web_file}}}\n"
    file.write_text("".join(parts))
    with (
        running(no_aws(tmp_path), [f"--config.file={file}"]) as exporter,
        strangers(exporter) as statuses,
    ):
        until(lambda: len(statuses) > 10, "the first requests")
        writing = threading.Thread(target=write_slowly, args=(file, *parts))
        writing.start()
        until(lambda: file.read_text() == parts[0], "the first half")
        exporter.send(signal.SIGHUP)
        writing.join()
        until(lambda: "event=reloaded" in exporter.log, "the reload")
    assert set(statuses) == {401}


def test_a_start_while_the_file_is_being_written_lets_nobody_in(tmp_path: Path) -> None:
    """The exporter begins once the file has settled."""
    file = tmp_path / "web.yml"
    file.write_text("http_server_config: {}\n")
    end = time.monotonic() + 5
    with running(no_aws(tmp_path), [f"--web.config-file={file}"]) as exporter:
        with file.open("a") as writer:
            while time.monotonic() < end:
                print("#", file=writer, flush=True)
                time.sleep(0.1)
                assert "event=listening" not in exporter.log
            writer.write(f"basic_auth_users: {{prometheus: {hashed(PASSWORD)}}}\n")
        assert exporter.request("/metrics").status == 401


def _expiry(folder: Path) -> float:
    """Read when the certificate ends, by another reader than the exporter's."""
    from cryptography import x509  # noqa: PLC0415 -- takes long to load, and one test needs it

    pem = (folder / "server.pem").read_bytes()
    return x509.load_pem_x509_certificate(pem).not_valid_after_utc.timestamp()


def test_no_metrics_without_a_file_and_none_of_tls_without_tls(tmp_path: Path) -> None:
    """What there is not has no value."""
    with running(no_aws(tmp_path)) as exporter:
        assert web(exporter.series()) == [None, None, None]
    file = tmp_path / "web.yml"
    file.write_text("{}")
    with running(no_aws(tmp_path), [f"--web.config-file={file}"]) as exporter:
        successful, loaded, expiry = web(exporter.series())
        assert (successful, expiry) == (1, None)
        assert loaded


@pytest.mark.parametrize("word", ["serve", "check"])
def test_a_wrong_file_is_told_at_the_start(tmp_path: Path, word: str) -> None:
    """Exit code 2, every line names a key, nothing is served."""
    file = tmp_path / "web.yml"
    file.write_text("tls_server_config: {cert_file: a.pem}\nbasic_auth_users: {a: marked-secret}")
    ran = command(no_aws(tmp_path), word, f"--web.config-file={file}")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.splitlines() == [
        f"tls_server_config.key_file (from {file}): is required, or key",
        (
            f"basic_auth_users.a (from {file}): not a bcrypt hash; "
            "make one with: htpasswd -nBC 10 USER"
        ),
    ]


def test_check_says_what_the_file_means(web_file: Path, tmp_path: Path) -> None:
    """In one line."""
    ran = command(no_aws(tmp_path), "check", f"--web.config-file={web_file}")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert ran.stdout.splitlines()[-1] == (
        "# web: https, client certificates required, basic authentication (1 user)"
    )


def test_what_a_file_means_otherwise_is_warned_of(tmp_path: Path) -> None:
    """As node_exporter's own has it: it is served with all the same, and told by `check` too."""
    file = tmp_path / "web.yml"
    file.write_text("http_server_config: {http2: true}")
    warning = f"http_server_config.http2 = true (from {file}): HTTP/2 is not spoken here"
    ran = command(no_aws(tmp_path), "check", f"--web.config-file={file}")
    assert (ran.returncode, ran.stderr) == (0, "")
    *_, said, rules = ran.stdout.splitlines()
    assert said.startswith(f"# warning: {warning}")
    assert rules == "# web: http"
    with running(no_aws(tmp_path), [f"--web.config-file={file}"]) as exporter:
        assert exporter.request("/metrics").status == 200
        (line,) = [line for line in exporter.lines if "event=web_config_warning" in line]
        assert "level=warning" in line
        assert warning in line


def test_bcrypt_and_cryptography_are_loaded_for_a_web_file_alone() -> None:
    """A start without one does not pay for them."""
    code = (
        "import sys; from exporter.commands import serve; "
        "sys.exit(not {'bcrypt', 'cryptography'}.isdisjoint(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


PATHS = ("/", "/metrics", "/-/ready", "/-/healthy", "/targets", "/api/v1/targets", "/x")


def _refusals(exporter: Exporter, number: int) -> bool:
    return exporter.log.count("event=web_config_refused") == number


def test_secrets_are_nowhere(authority: Authority, tmp_path: Path) -> None:
    """Not in logs at debug level, pages, metrics, errors or `check`: whatever goes wrong."""
    pair = authority.sign()
    file = tmp_path / "web.yml"
    good, *bad = with_secrets(pair)
    flags = [f"--web.config-file={file}", "--log.level=debug", "--web.enable-lifecycle=true"]
    said = []
    for text in (good, bad[1], bad[3]):
        file.write_text(text)
        ran = command(no_aws(tmp_path), "check", *flags)
        assert ran.returncode == (0 if text is good else 2)
        said.append(ran.stdout + ran.stderr)
    file.write_text(good)
    context = trusting(authority)
    with running(no_aws(tmp_path), flags) as exporter:
        for path in PATHS:
            for password in ("marked-password", "marked-wrong"):
                value = basic("u0", password)
                said.append(ask(exporter, path, context, Authorization=value)[1])
        for number, text in enumerate((bad[0], bad[1]), 1):
            file.write_text(text)
            until(partial(_refusals, exporter, number), "the refusal")
        said.append(ask(exporter, "/metrics", context, Authorization=basic("u0", PASSWORD))[1])
        exporter.stop()
        said.append(exporter.log)
    everything = "\n".join(said)
    assert "event=web_config_refused" in everything
    assert [secret for secret in (*SECRETS, pair.key.splitlines()[1]) if secret in everything] == []


def test_a_real_prometheus_scrapes_with_certificate_and_password(
    web_file: Path, authority: Authority, client: Pair, tmp_path: Path
) -> None:
    """With its own `tls_config` and `basic_auth`, as its documentation has them."""
    program = require("prometheus")
    certificate, key = client.write(tmp_path, "client")
    with running(no_aws(tmp_path), [f"--web.config-file={web_file}"]) as exporter:
        job = {
            "job_name": "macie",
            "scheme": "https",
            "scrape_interval": "1s",
            "tls_config": {
                "ca_file": str(tmp_path / "ca.pem"),
                "cert_file": str(certificate),
                "key_file": str(key),
            },
            "basic_auth": {"username": "prometheus", "password": PASSWORD},
            "static_configs": [{"targets": [f"127.0.0.1:{exporter.port}"]}],
        }
        with prometheus(program, tmp_path, {"scrape_configs": [job]}) as peer:
            until(lambda: peer.now("up == 1") != [], "a scrape")
            (found,) = peer.now(NAMES[0])
            assert found["value"][1] == "1"
    assert authority.pem
