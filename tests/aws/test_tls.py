"""TLS: whom it trusts, through proxies, and that no handshake outlives its deadline."""

import os
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from exporter.aws.transport import Timeouts
from tests.aws.certificates import Authority
from tests.aws.rig import Rig, rig
from tests.faulty import (
    LOOPBACK,
    FaultyServer,
    drip,
    invitation,
    page,
    proxy,
    response,
    send,
    send_and_hang,
)

ANSWER = send(response(page([invitation()])))


def answers(made: Rig) -> bool:
    """Return whether a target is read."""
    return len(made.read().invitations) == 1


@pytest.fixture(scope="module")
def authority() -> Authority:
    """An authority that nobody knows, unless told."""
    return Authority()


@pytest.fixture
def context(authority: Authority, tmp_path: Path) -> ssl.SSLContext:
    """A server's context with a certificate for localhost."""
    return authority.server(tmp_path)


@pytest.mark.parametrize("variable", ["AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE"])
def test_a_ca_bundle_is_trusted(
    monkeypatch: pytest.MonkeyPatch,
    authority: Authority,
    context: ssl.SSLContext,
    tmp_path: Path,
    variable: str,
) -> None:
    """As boto3 does it, for inspecting proxies and private endpoints."""
    monkeypatch.setenv(variable, str(authority.write(tmp_path / "ca.pem")))
    with FaultyServer(ANSWER, tls=context) as server, rig() as made:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        assert [answers(made) for _ in range(3)] == [True] * 3
        assert server.connections == 1


def test_tls_through_a_proxy(
    monkeypatch: pytest.MonkeyPatch, authority: Authority, context: ssl.SSLContext, tmp_path: Path
) -> None:
    """The proxy carries a tunnel, and sees neither path nor signature."""
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.write(tmp_path / "ca.pem")))
    with FaultyServer(ANSWER, tls=context) as server, FaultyServer(proxy) as between:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        monkeypatch.setenv("HTTPS_PROXY", f"http://{LOOPBACK}:{between.port}")
        with rig() as made:
            assert [answers(made) for _ in range(2)] == [True] * 2
        assert [(request.method, request.target) for request in between.requests] == [
            ("CONNECT", f"localhost:{server.port}")
        ]


def test_tls_within_tls(
    monkeypatch: pytest.MonkeyPatch, authority: Authority, context: ssl.SSLContext, tmp_path: Path
) -> None:
    """A proxy that speaks TLS itself; the deadline holds on such a connection too."""
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.write(tmp_path / "ca.pem")))
    with (
        rig(timeouts=Timeouts(connect=60, read=60)) as made,
        FaultyServer(ANSWER, tls=context) as server,
        FaultyServer(proxy, tls=context) as between,
    ):
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        monkeypatch.setenv("HTTPS_PROXY", between.url)
        assert answers(made)
        for behaviour in (send_and_hang(), drip(response(" " * 1000))):
            server.behave(behaviour)
            assert made.failure(0.3).code == "Deadline"


def test_another_hosts_certificate_is_refused(
    monkeypatch: pytest.MonkeyPatch, authority: Authority, tmp_path: Path
) -> None:
    """A certificate of a known authority for another name."""
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.write(tmp_path / "ca.pem")))
    other = authority.server(tmp_path, "example.com")
    with FaultyServer(ANSWER, tls=other) as server, rig(attempts=1) as made:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        failure = made.failure()
        assert failure.code == "EndpointConnectionError"
        assert "Hostname mismatch" in failure.message


@pytest.mark.parametrize("text", [None, "no certificate"], ids=["missing", "nonsense"])
def test_a_bundle_that_cannot_be_read_is_said(
    monkeypatch: pytest.MonkeyPatch, context: ssl.SSLContext, tmp_path: Path, text: str | None
) -> None:
    """With its name; plain HTTP does not need it."""
    path = tmp_path / "bundle.pem"
    if text is not None:
        path.write_text(text)
    monkeypatch.setenv("AWS_CA_BUNDLE", str(path))
    with FaultyServer(ANSWER, tls=context) as server, rig(attempts=1) as made:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        failure = made.failure()
        assert failure.code == "EndpointConnectionError"
        assert failure.message.startswith(f"no trusted authorities in {path} (AWS_CA_BUNDLE): ")
    with FaultyServer(ANSWER) as server, rig() as made:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        assert answers(made)


@pytest.mark.parametrize("file", ["", "/some/authorities.pem"])
def test_the_variable_for_authorities_is_left_as_it_was(file: str) -> None:
    """A `credential_process` of the user's reads it: it is another's only while aiohttp loads."""
    others = {name: value for name, value in os.environ.items() if name != "SSL_CERT_FILE"}
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import os, exporter.aws.transport; print(os.environ.get('SSL_CERT_FILE', ''))",
        ],
        env=others | ({"SSL_CERT_FILE": file} if file else {}),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{file}\n"
