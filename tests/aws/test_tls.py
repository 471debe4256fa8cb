"""TLS and proxies: whom it trusts, what is between, and that no handshake outlives its deadline."""

import os
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from exporter.aws.transport import Timeouts
from tests.aws.certificates import Authority
from tests.aws.conftest import Serve
from tests.aws.rig import ANSWER, rig
from tests.faulty import LOOPBACK, FaultyServer, drip, proxy, response, send_and_hang
from tests.processes import refusing_port


@pytest.fixture(scope="module")
def authority() -> Authority:
    """An authority that nobody knows, unless told."""
    return Authority()


@pytest.fixture
def context(
    authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> ssl.SSLContext:
    """A server's context with a certificate for localhost, by the one whom AWS_CA_BUNDLE trusts."""
    monkeypatch.setenv("AWS_CA_BUNDLE", str(authority.write(tmp_path / "ca.pem")))
    return authority.server(tmp_path)


def test_requests_ca_bundle_is_trusted_too(
    monkeypatch: pytest.MonkeyPatch, serve: Serve, context: ssl.SSLContext
) -> None:
    """As boto3 does it; and a connection is kept."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", os.environ["AWS_CA_BUNDLE"])
    monkeypatch.delenv("AWS_CA_BUNDLE")
    server = serve(ANSWER, tls=context)
    with rig() as made:
        assert [made.count() for _ in range(3)] == [1] * 3
    assert server.connections == 1


@pytest.mark.parametrize("is_tls", [False, True], ids=["plain proxy", "TLS within TLS"])
def test_tls_through_a_proxy(
    monkeypatch: pytest.MonkeyPatch, context: ssl.SSLContext, *, is_tls: bool
) -> None:
    """It carries a tunnel, and sees neither path nor signature; the deadline holds there too."""
    with (
        rig(timeouts=Timeouts(connect=60, read=60)) as made,
        FaultyServer(ANSWER, tls=context) as server,
        FaultyServer(proxy, tls=context if is_tls else None) as between,
    ):
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        monkeypatch.setenv("HTTPS_PROXY", between.url)
        assert [made.count() for _ in range(2)] == [1] * 2
        assert [(request.method, request.target) for request in between.requests] == [
            ("CONNECT", f"localhost:{server.port}")
        ]
        for behaviour in (send_and_hang(), drip(response(" " * 1000))):
            server.behave(behaviour)
            assert made.failure(0.3).code == "Deadline"


@pytest.mark.usefixtures("context")
def test_another_hosts_certificate_is_refused(
    serve: Serve, authority: Authority, tmp_path: Path
) -> None:
    """A certificate of a known authority for another name."""
    serve(ANSWER, tls=authority.server(tmp_path, "example.com"))
    with rig(attempts=1) as made:
        failure = made.failure()
    assert failure.code == "EndpointConnectionError"
    assert "Hostname mismatch" in failure.message


@pytest.mark.parametrize("text", [None, "no certificate"], ids=["missing", "nonsense"])
def test_a_bundle_that_cannot_be_read_is_said(
    serve: Serve, context: ssl.SSLContext, tmp_path: Path, text: str | None
) -> None:
    """With its name; plain HTTP does not need it."""
    bundle = tmp_path / "ca.pem"
    bundle.unlink()
    if text is not None:
        bundle.write_text(text)
    serve(ANSWER, tls=context)
    with rig(attempts=1) as made:
        failure = made.failure()
    assert failure.code == "EndpointConnectionError"
    assert failure.message.startswith(f"no trusted authorities in {bundle} (AWS_CA_BUNDLE): ")
    serve(ANSWER)
    with rig() as made:
        assert made.count() == 1


@pytest.mark.parametrize("file", ["", "/some/authorities.pem"])
def test_the_variable_for_authorities_is_left_as_it_was(file: str) -> None:
    """A `credential_process` of the user's reads it: it is another's only while aiohttp loads."""
    others = {name: value for name, value in os.environ.items() if name != "SSL_CERT_FILE"}
    program = "import os, exporter.aws.transport; print(os.environ.get('SSL_CERT_FILE', ''))"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=others | ({"SSL_CERT_FILE": file} if file else {}),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"{file}\n"


# -- proxies ------------------------------------------------------------------------------------


@pytest.mark.parametrize("spelled", ["http://{}", "{}", "//{}", "http://user:p%40ss@{}"])
def test_a_proxy_is_used_for_plain_http(
    monkeypatch: pytest.MonkeyPatch, spelled: str, serve: Serve
) -> None:
    """However it is spelled; it is given the whole URL, and its password."""
    server = serve(ANSWER)
    with FaultyServer(proxy) as between:
        monkeypatch.setenv("HTTP_PROXY", spelled.format(f"{LOOPBACK}:{between.port}"))
        with rig() as made:
            assert made.count() == 1
        [request] = between.requests
    assert request.target == f"{server.url}/invitations?maxResults=25"
    password = "Basic dXNlcjpwQHNz" if "user" in spelled else None
    assert request.headers.get("proxy-authorization") == password
    assert len(server.requests) == 1


@pytest.mark.parametrize("exception", ["localhost", "*"])
def test_no_proxy_is_honoured(
    monkeypatch: pytest.MonkeyPatch, exception: str, serve: Serve
) -> None:
    """Such as for a VPC endpoint."""
    serve(ANSWER)
    monkeypatch.setenv("HTTP_PROXY", f"http://{LOOPBACK}:{refusing_port()}")
    monkeypatch.setenv("NO_PROXY", exception)
    with rig() as made:
        assert made.count() == 1


@pytest.mark.parametrize(
    ("name", "url", "said"),
    [
        ("http_proxy", "socks5h://u:p@127.0.0.1:1", "HTTP_PROXY must be an http:// or https://"),
        ("HTTPS_PROXY", "ftp://x", "HTTPS_PROXY must be an http:// or https:// URL"),
        ("HTTP_PROXY", f"http://user:hunter2@{LOOPBACK}:{refusing_port()}", "to the proxy"),
    ],
    ids=["SOCKS", "FTP", "refuses"],
)
def test_a_proxy_that_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch, name: str, url: str, said: str
) -> None:
    """The message names the variable and what it may hold, or who refuses; no password."""
    monkeypatch.setenv(name, url)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"{name.lower().partition('_')[0]}://macie.invalid")
    with rig(attempts=1) as made:
        failure = made.failure()
    assert failure.code == "EndpointConnectionError"
    assert said in failure.message
    assert "hunter2" not in failure.message
