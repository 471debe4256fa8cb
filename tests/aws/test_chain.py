"""The exporter's own credentials: boto3's chain, which may hang, fail, and be mended."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from exporter.aws.credentials import Credentials
from exporter.model import Account, AwsError, Failure, Role
from tests.aws.conftest import Serve
from tests.aws.rig import ACCOUNT, REGION, Rig, rig
from tests.clocks import ManualClock
from tests.faults.bounds import bounded
from tests.faults.services import IDENTITY, SESSION
from tests.faulty import (
    LOOPBACK,
    Behaviour,
    FaultyServer,
    Peer,
    flood,
    invitation,
    page,
    response,
    send,
    send_and_hang,
)

ANSWER = send(response(page([invitation()])))


@pytest.fixture
def web_identity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A pod's own token instead of keys: boto3 has to ask STS for credentials."""
    token = tmp_path / "token"
    token.write_text("a.b.c")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::111122223333:role/exporter")


@pytest.mark.usefixtures("web_identity")
def test_a_chain_that_hangs_holds_no_poll(serve: Serve) -> None:
    """With an STS that accepts and never answers each poll ends at its own deadline."""
    server = serve(send_and_hang())
    with rig() as made:
        assert [made.failure(0.5).code for _ in range(3)] == ["Deadline"] * 3
        server.wait_for(requests=1)
    # And one look is under way for all of them.
    assert len(server.requests) == 1


@pytest.mark.usefixtures("web_identity")
def test_one_look_through_the_chain_serves_all(serve: Serve) -> None:
    """Polls that start together ask STS once."""
    sts = send(response(SESSION.replace("AssumeRole", "AssumeRoleWithWebIdentity")))
    server = serve(lambda peer: (sts if b"Action" in peer.request.body else ANSWER)(peer))
    with rig() as made:

        async def together() -> int:
            polls = (made.macie.read(Account("111122223333"), REGION) for _ in range(20))
            return len(await asyncio.gather(*polls))

        assert made.run(together()) == 20
        assert made.attempts.counts["sts", "AssumeRoleWithWebIdentity", REGION] == 1
        assert {*made.attempts.codes} == {None}
    assert sum(b"Action" in request.body for request in server.requests) == 1


def test_a_chain_that_finds_nothing_is_asked_now_and_then(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Not by every poll; and keys that appear are found within seconds."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    file = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    clock = ManualClock()
    nothing = Failure("CredentialsError", "boto3 found no credentials in any of its sources")
    with rig(clock=clock) as made:
        own = Credentials(made.client, clock=clock, region=lambda: REGION, step=lambda: 300.0)
        with pytest.raises(AwsError) as caught:
            made.run(own.for_account(ACCOUNT))
        assert caught.value.failure == nothing
        file.write_text("[default]\naws_access_key_id = AKIANEW\naws_secret_access_key = x\n")
        clock.advance(4.9)
        with pytest.raises(AwsError) as caught:
            made.run(own.for_account(ACCOUNT))
        assert caught.value.failure == nothing
        clock.advance(0.2)
        assert made.run(own.for_account(ACCOUNT)).access_key == "AKIANEW"


@pytest.mark.parametrize(
    ("config", "timeout", "said"),
    [
        ("credential_process = /bin/echo no JSON", "1", "JSONDecodeError"),
        ("region = eu-west-1", "soon", "ValueError"),
    ],
)
def test_what_has_nothing_to_do_with_an_endpoint_blames_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, config: str, timeout: str, said: str
) -> None:
    """A program that prints no JSON, a number that is none: not AWS_ENDPOINT_URL."""
    (tmp_path / "config").write_text(f"[default]\n{config}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_METADATA_SERVICE_TIMEOUT", timeout)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with rig() as made:
        failure = made.failure()
    message = f"{said}: check AWS_ENDPOINT_URL, the AWS profile and variables"
    assert failure == Failure("CredentialsError", message)


@pytest.mark.usefixtures("web_identity")
def test_what_sts_answers_the_chain_is_bounded_too(serve: Serve) -> None:
    """A hundred megabytes in the place of credentials are none."""
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n"
    serve(flood(head, b"x" * 1024 * 1024, 100))
    with rig() as made, bounded():
        failure = made.failure(30.0)
    assert (failure.code, failure.asked) == ("MalformedResponse", "own sts:")


PROFILE = """
[default]
role_arn = arn:aws:iam::111122223333:role/exporter
source_profile = base
region = ap-south-1
[profile base]
aws_access_key_id = AKIAEXAMPLE
aws_secret_access_key = secret
"""


@pytest.mark.parametrize("source", ["web identity", "a profile's role"])
def test_the_chain_asks_the_sts_of_the_same_region(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, source: str
) -> None:
    """As the exporter's own calls, whatever AWS_DEFAULT_REGION and the profile say."""
    request.getfixturevalue("web_identity")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-2")
    if source == "a profile's role":
        monkeypatch.delenv("AWS_WEB_IDENTITY_TOKEN_FILE")
        config = tmp_path / "config"
        config.write_text(PROFILE)
        monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    with FaultyServer(send(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")) as between:
        monkeypatch.setenv("HTTPS_PROXY", f"http://{LOOPBACK}:{between.port}")
        with rig(attempts=1) as made:
            failure = made.failure(30.0)
        assert (failure.code, failure.asked) == ("EndpointConnectionError", "own sts:")
        assert {one.target for one in between.requests} == {f"sts.{REGION}.amazonaws.com:443"}


def refusing(key: str, then: Behaviour) -> Behaviour:
    """Refuse what is signed with a key, as STS does with keys that it does not know."""
    error = (
        "<ErrorResponse><Error><Code>InvalidClientTokenId</Code><Message>no</Message></Error>"
        "</ErrorResponse>"
    )

    def behave(peer: Peer) -> bool:
        is_refused = f"Credential={key}/" in peer.request.headers["authorization"]
        return (send(response(error, 403)) if is_refused else then)(peer)

    return behave


def test_new_keys_are_found_by_whoever_asks_sts(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Who am I, and AssumeRole: with the keys of now, though older ones were in use."""
    file = tmp_path / "credentials"
    keys = "[default]\naws_access_key_id = {}\naws_secret_access_key = x\n"
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))

    def sts(peer: Peer) -> bool:
        asked = b"AssumeRole" in peer.request.body
        return send(response(SESSION if asked else IDENTITY))(peer)

    serve(refusing("AKIAOLD", sts))
    account = Account("111122223333", role=Role("arn:aws:iam::111122223333:role/reader"))
    for ask in ("identity", "for_account"):
        file.write_text(keys.format("AKIAOLD"))
        with rig() as made:
            assert asked_with(made) == "AKIAOLD"
            file.write_text(keys.format("AKIANEW"))
            arguments = (account,) if ask == "for_account" else ()
            assert made.run(getattr(made.credentials, ask)(*arguments))
            assert asked_with(made) == "AKIANEW"


def asked_with(made: Rig) -> str:
    """Return the access key in use."""
    return str(made.run(made.credentials.for_account(Account("111122223333"))).access_key)


HANGS = """
import asyncio, random, socket, sys, threading
from exporter.aws.cloud import Cloud
from exporter.clock import SystemClock
from exporter.model import Account

class Observer:
    def attempt(self, *_): pass

async def main():
    cloud = Cloud(clock=SystemClock(), observer=Observer(), rng=random.Random(1),
                  region=lambda: "eu-west-1", step=lambda: 300.0)
    {before}
    try:
        async with asyncio.timeout(1):
            await cloud.macie.read(Account("111122223333"), "eu-west-1")
    except TimeoutError:
        print("Deadline", flush=True)
    await cloud.close()

asyncio.run(main())
"""


@pytest.mark.parametrize("what", ["resolver", "chain"])
def test_what_hangs_holds_no_exit(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, what: str
) -> None:
    """A resolver, or a credential program, that never answers: the poll ends, and the process."""
    before = "socket.getaddrinfo = lambda *_, **__: threading.Event().wait()"
    if what == "chain":
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        config = tmp_path / "config"
        config.write_text("[default]\ncredential_process = /bin/sleep 100\n")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
        before = ""
    done = subprocess.run(
        [sys.executable, "-c", HANGS.format(before=before)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("Deadline\n", "", 0)
