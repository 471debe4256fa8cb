"""The exporter's own credentials: boto3's chain, which may hang, fail, and be mended."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from exporter.aws.credentials import Credentials
from exporter.error_codes import hint_of
from exporter.iam.remedies import remedy
from exporter.model import Account, AwsError, Failure, Role
from exporter.settings import Settings
from tests.aws.conftest import Serve
from tests.aws.rig import ACCOUNT, REGION, Rig, rig
from tests.clocks import ManualClock
from tests.faults.bounds import bounded
from tests.faults.services import HUB, IDENTITY, SESSION, refusal, sts
from tests.faulty import (
    Behaviour,
    Peer,
    by_turns,
    flood,
    invitation,
    page,
    response,
    send,
    send_and_close,
    send_and_hang,
)
from tests.inprocess import command

ROLE = f"arn:aws:iam::{HUB}:role/exporter"
MEMBER = Account("111122223333", role=Role("arn:aws:iam::111122223333:role/reader"))
WEB_IDENTITY = SESSION.replace("AssumeRole", "AssumeRoleWithWebIdentity")
KEYS = "[default]\naws_access_key_id = {}\naws_secret_access_key = x\n"


@pytest.fixture
def no_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No keys in the environment; return where a file of them is looked for."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return tmp_path / "credentials"


@pytest.fixture
def irsa(no_keys: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A pod's own token instead of keys: boto3 has to ask STS for credentials."""
    assert not no_keys.exists()
    (tmp_path / "token").write_text("a.b.c")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)


def failure(made: Rig) -> Failure:
    """Look for credentials; give why there are none."""
    with pytest.raises(AwsError) as caught:
        made.run(made.credentials.for_account(ACCOUNT))
    return caught.value.failure


@pytest.mark.usefixtures("irsa")
def test_a_chain_that_hangs_holds_no_poll(serve: Serve) -> None:
    """With an STS that accepts and never answers each poll ends at its own deadline."""
    server = serve(send_and_hang())
    with rig() as made:
        assert [made.failure(0.5).code for _ in range(3)] == ["Deadline"] * 3
        server.wait_for(requests=1)
    # And one look is under way for all of them.
    assert len(server.requests) == 1


@pytest.mark.usefixtures("irsa")
def test_one_look_through_the_chain_serves_all(serve: Serve) -> None:
    """Polls that start together ask STS once."""
    session, listed = send(response(WEB_IDENTITY)), send(response(page([invitation()])))
    server = serve(lambda peer: (session if b"Action" in peer.request.body else listed)(peer))
    with rig() as made:

        async def together() -> int:
            polls = (made.macie.read(Account("111122223333"), REGION) for _ in range(20))
            return len(await asyncio.gather(*polls))

        assert made.run(together()) == 20
        assert made.attempts.counts["sts", "AssumeRoleWithWebIdentity", REGION] == 1
        assert {*made.attempts.codes} == {None}
    assert sum(b"Action" in request.body for request in server.requests) == 1


def test_a_chain_that_finds_nothing_is_asked_now_and_then(no_keys: Path) -> None:
    """Not by every poll; and keys that appear are found within seconds."""
    clock = ManualClock()
    with rig(clock=clock) as made:
        nothing = Failure("CredentialsError", "boto3 found no credentials in any of its sources")
        assert failure(made) == nothing
        no_keys.write_text(KEYS.format("AKIANEW"))
        clock.advance(4.9)
        assert failure(made) == nothing
        clock.advance(0.2)
        assert asked_with(made) == "AKIANEW"


@pytest.mark.parametrize(
    ("config", "timeout", "said"),
    [
        ("credential_process = /bin/echo no JSON", "1", "JSONDecodeError"),
        ("region = eu-west-1", "soon", "ValueError"),
    ],
)
def test_what_boto3_stumbles_over_is_not_repeated(
    no_keys: Path, monkeypatch: pytest.MonkeyPatch, config: str, timeout: str, said: str
) -> None:
    """A program that prints no JSON, a number that is none: a secret may stand there."""
    no_keys.with_name("config").write_text(f"[default]\n{config}\n")
    monkeypatch.setenv("AWS_METADATA_SERVICE_TIMEOUT", timeout)
    with rig() as made:
        message = f"{said}: check AWS_ENDPOINT_URL, the AWS profile and variables"
        assert failure(made) == Failure("CredentialsError", message)


def refusing(key: str, then: Behaviour) -> Behaviour:
    """Refuse what is signed with a key, as STS and Macie do with keys that they do not know."""
    code = "InvalidClientTokenId"
    xml = f"<ErrorResponse><Error><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>"
    refusal = send(response(xml, 403, {"x-amzn-ErrorType": code}))

    def behave(peer: Peer) -> bool:
        is_refused = f"Credential={key}/" in peer.request.headers["authorization"]
        return (refusal if is_refused else then)(peer)

    return behave


@pytest.mark.parametrize("asked", ["who I am", "a role", "Macie"])
def test_new_keys_are_found_by_whoever_is_refused(serve: Serve, no_keys: Path, asked: str) -> None:
    """Who am I, AssumeRole and Macie: with the keys of now, though older ones were in use."""

    def answers(peer: Peer) -> bool:
        is_sts = b"Action=" in peer.request.body
        answer = SESSION if b"AssumeRole" in peer.request.body else IDENTITY
        return send(response(answer if is_sts else page()))(peer)

    serve(refusing("AKIAOLD", answers))
    no_keys.write_text(KEYS.format("AKIAOLD"))
    with rig() as made:
        assert asked_with(made) == "AKIAOLD"
        no_keys.write_text(KEYS.format("AKIANEW"))
        match asked:
            case "who I am":
                made.run(made.credentials.who_am_i())
            case "a role":
                made.run(made.credentials.for_account(MEMBER))
            case _:
                made.read()
        assert asked_with(made) == "AKIANEW"


def asked_with(made: Rig) -> str:
    """Return the access key in use."""
    return str(made.run(made.credentials.for_account(ACCOUNT)).access_key)


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


DENIED = "Not authorized to perform sts:AssumeRoleWithWebIdentity"
OF_WEB_IDENTITY: Mapping[str, tuple[int, str, str]] = {
    "AccessDenied": (403, DENIED, "its `aud`"),
    "InvalidIdentityToken": (400, "No OpenIDConnect provider found in your account", "`sub`"),
    "IDPRejectedClaim": (403, "The identity provider rejected it", "OIDC issuer"),
    "IDPCommunicationError": (400, "Error communicating with IDP", "reachable from the internet"),
    "ExpiredTokenException": (400, "Token expired", "projected token"),
}


@pytest.mark.usefixtures("irsa")
@pytest.mark.parametrize("code", OF_WEB_IDENTITY)
def test_a_service_account_that_gets_no_role(serve: Serve, code: str) -> None:
    """AWS's own code, and a hint on OIDC provider, `sub` and `aud`: not on a member's role."""
    status, text, hint = OF_WEB_IDENTITY[code]
    serve(send(refusal(code, status, text)))
    with rig() as made:
        found = failure(made)
        assert {*made.attempts.codes} == {code}
    assert (found.code, found.message) == (code, text)
    assert hint in hint_of(found)
    assert remedy(MEMBER, found, Settings()).text == hint_of(found)
    assert "ExternalId" not in hint_of(found)


def test_a_profiles_role_that_cannot_be_assumed(
    serve: Serve, no_keys: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is that role that has to trust, not a member's."""
    role = f"[default]\nrole_arn = {ROLE}\nsource_profile = base\n"
    no_keys.write_text(role + KEYS.format("AKIAEXAMPLE").replace("default", "base"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(no_keys))
    serve(send(refusal("AccessDenied", 403, "User: x is not authorized to perform")))
    with rig() as made:
        found = failure(made)
    assert found.code == "AccessDenied"
    assert "the AWS profile's role_arn" in remedy(MEMBER, found, Settings()).text


def test_the_doctor_sends_nobody_to_a_members_role(tmp_path: Path, serve: Serve) -> None:
    """Whichever step found out that the exporter has no credentials of its own."""
    (tmp_path / "token").write_text("a.b.c")
    server = serve(send(refusal("AccessDenied", 403, DENIED)))
    environment = {
        "AWS_ENDPOINT_URL": server.url,
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"),
        "AWS_ROLE_ARN": ROLE,
        "AWS_REGION": REGION,
        "MACIE_EXPORTER_AWS__ACCOUNTS": f'[{{"id": "{MEMBER.id}", "role_name": "reader"}}]',
        "MACIE_EXPORTER_AWS__ORGANIZATION__ROLE_NAME": "reader",
    }
    said = json.loads(command(environment, "doctor", "--format=json").stdout)
    told = {one["step"]: "its `aud`" in one["remedy"] for one in said}
    assert [told[step] for step in ("own credentials", "AssumeRole", "discovery")] == [True] * 3


_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n"
_MEGABYTE = b"x" * 1024 * 1024
NO_ANSWERS: Mapping[str, tuple[Behaviour, str]] = {
    "a blocked page": (send(response("<p>no", 403)), "MalformedResponse"),
    "a page to log in": (send(response("\n<p>log in</p>")), "MalformedResponse"),
    "a DTD": (send(response(f"<!DOCTYPE a>{WEB_IDENTITY}")), "MalformedResponse"),
    "JSON": (send(response("{}")), "MalformedResponse"),
    "a denial in JSON": (send(response('{"__type": "AccessDenied"}', 403)), "MalformedResponse"),
    "no STS behind a proxy": (
        send(response("no healthy upstream", 503)),
        "InternalServerException",
    ),
    "a negative chunk": (flood(_CHUNKED, _MEGABYTE, 100), "MalformedResponse"),
    "too much": (flood(b"HTTP/1.1 200 OK\r\n\r\n", _MEGABYTE, 100), "MalformedResponse"),
    "nothing": (send_and_close(b""), "EndpointConnectionError"),
}


@pytest.mark.usefixtures("irsa")
@pytest.mark.parametrize("name", NO_ANSWERS)
def test_what_is_no_answer_of_sts(serve: Serve, name: str) -> None:
    """It is bounded as every answer is, and nobody's policy; the hint names STS."""
    behaviour, code = NO_ANSWERS[name]
    serve(behaviour)
    with rig() as made:
        made.failure(0.0)
        with bounded():
            found = failure(made)
    assert found.code == code
    assert "CredentialsError" not in found.message
    if code == "MalformedResponse":
        assert hint_of(found).startswith("what answered in the place of STS")


@pytest.mark.usefixtures("no_keys")
def test_a_containers_token_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever looks for it to hide it does not stumble over it: boto3's reason is told."""
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/")
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "x" * 300)
    with rig() as made:
        found = failure(made)
    assert found.code == "CredentialsError"
    assert "File name too long" in found.message


@pytest.mark.usefixtures("irsa")
def test_what_passes_by_itself_is_tried_again(serve: Serve) -> None:
    """As boto3 does; and the credentials that a pod's token gave assume roles."""
    server = serve(by_turns(send_and_close(b""), send(response(WEB_IDENTITY)), sts))
    with rig() as made:
        assert made.run(made.credentials.identity()).account_id == HUB
        assert made.run(made.credentials.for_account(MEMBER))
    assert len(server.requests) == 4


@pytest.mark.usefixtures("irsa")
def test_another_region_is_looked_in_at_once(serve: Serve) -> None:
    """As after a reload with other `aws.regions`; in the same one nothing is asked twice."""
    server = serve(send(response(WEB_IDENTITY)))
    regions = ["eu-west-1"]
    with rig() as made:
        own = Credentials(
            made.client, clock=made.clock, region=lambda: regions[-1], step=lambda: 300.0
        )
        for _ in range(2):
            made.run(own.for_account(ACCOUNT))
        assert len(server.requests) == 1
        regions.append("us-west-2")
        made.run(own.for_account(ACCOUNT))
    assert len(server.requests) == 2


@pytest.mark.parametrize("key", ["AKIAEXAMPLE\n", " AKIAEXAMPLE"], ids=repr)
@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_a_key_with_a_blank_too_much(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, name: str, key: str
) -> None:
    """As a secret that was written with `echo` has: it is said so, and AWS is not asked."""
    server = serve(sts)
    monkeypatch.setenv(name, key)
    with rig() as made:
        found = failure(made)
    message = "a key or token of env begins or ends in a blank or line break"
    assert (found.code, found.message) == ("CredentialsError", message)
    assert server.requests == []
