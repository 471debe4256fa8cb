"""The exporter's own credentials: boto3's chain, which may hang, fail, and be mended."""

import asyncio
import json
import os
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import pytest

from exporter.aws.credentials import Credentials
from exporter.error_codes import hint_of
from exporter.iam.remedies import remedy
from exporter.model import Account, Failure, Role
from exporter.settings import Settings
from tests import processes
from tests.aws.conftest import Serve
from tests.aws.rig import ACCOUNT, REGION, Rig, rig
from tests.clocks import ManualClock
from tests.faults.bounds import bounded
from tests.faults.matrix import error
from tests.faults.services import HUB, IDENTITY, SESSION, refusal, sts
from tests.faulty import Behaviour, Peer, flood, page, response, send, send_and_close
from tests.inprocess import command

ROLE = f"arn:aws:iam::{HUB}:role/exporter"
MEMBER = Account("111122223333", role=Role("arn:aws:iam::111122223333:role/reader"))
WEB_IDENTITY = SESSION.replace("AssumeRole", "AssumeRoleWithWebIdentity")
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret"}
PROFILE = "[default]\naws_access_key_id = {}\naws_secret_access_key = x\n"


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


def asked_with(made: Rig) -> str:
    """Return the access key in use."""
    return str(made.run(made.credentials.for_account(ACCOUNT)).access_key)


@pytest.mark.usefixtures("irsa")
def test_one_look_through_the_chain_serves_all(serve: Serve) -> None:
    """Polls that start together ask STS once, and once more where that passes by itself.

    The credentials that a pod's token gave assume roles; and every request counts.
    """
    looks = iter((send_and_close(b""), send(response(WEB_IDENTITY))))

    def behave(peer: Peer) -> bool:
        if b"WebIdentity" in peer.request.body:
            return next(looks)(peer)
        return (sts if b"Action" in peer.request.body else send(response(page())))(peer)

    serve(behave)
    with rig() as made:

        async def together() -> int:
            polls = (made.macie.read(Account("111122223333"), REGION) for _ in range(20))
            return len(await asyncio.gather(*polls))

        assert made.run(together()) == 20
        assert made.run(made.credentials.identity()).account_id == HUB
        assert made.run(made.credentials.for_account(MEMBER))
        assert made.attempts.counts["sts", "AssumeRoleWithWebIdentity", REGION] == 2
        assert made.attempts.codes == ["EndpointConnectionError", *[None] * 23]


def test_a_chain_that_finds_nothing_is_asked_now_and_then(no_keys: Path) -> None:
    """Not by every poll; and keys that appear are found within seconds."""
    clock = ManualClock()
    with rig(clock=clock) as made:
        nothing = Failure("CredentialsError", "boto3 found no credentials in any of its sources")
        assert made.failure() == nothing
        no_keys.write_text(PROFILE.format("AKIANEW"))
        clock.advance(4.9)
        assert made.failure() == nothing
        clock.advance(0.2)
        assert asked_with(made) == "AKIANEW"


_CHECK = "check AWS_ENDPOINT_URL, the AWS profile and variables"
_BLANK = "a key or token of env begins or ends in a blank or line break"
_AGENT = {
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:1/",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": "x" * 300,
}
UNUSABLE: Mapping[str, tuple[Mapping[str, str], str]] = {
    "a program that prints no JSON": ({}, f"JSONDecodeError: {_CHECK}"),
    "a number that is none": ({"AWS_METADATA_SERVICE_TIMEOUT": "soon"}, f"ValueError: {_CHECK}"),
    "a file that cannot be read": (_AGENT, "File name too long"),
    "a key from echo": ({**KEYS, "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE\n"}, _BLANK),
    "a secret after a blank": ({**KEYS, "AWS_SECRET_ACCESS_KEY": " secret"}, _BLANK),
}
"""Variables, and what is said of them: where a secret may stand, it is not repeated."""


@pytest.mark.parametrize("name", UNUSABLE)
def test_credentials_that_cannot_be_used(
    no_keys: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Whatever boto3 stumbles over, or AWS would refuse, is told before AWS is asked."""
    variables, said = UNUSABLE[name]
    if "program" in name:
        no_keys.with_name("config").write_text("[default]\ncredential_process = /bin/echo no\n")
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    with rig() as made:
        found = made.failure()
    assert (found.code, said in found.message) == ("CredentialsError", True), found


def refusing(key: str, then: Behaviour) -> Behaviour:
    """Refuse what is signed with a key, as STS and Macie do with keys that they do not know."""
    code = "InvalidClientTokenId"

    def behave(peer: Peer) -> bool:
        if f"Credential={key}/" not in peer.request.headers["authorization"]:
            return then(peer)
        refuse = refusal if b"Action=" in peer.request.body else error
        return send(refuse(code, 403))(peer)

    return behave


ASK: Mapping[str, Callable[[Rig], Coroutine[Any, Any, object]]] = {
    "who I am": lambda made: made.credentials.who_am_i(),
    "a role": lambda made: made.credentials.for_account(MEMBER),
    "Macie": lambda made: made.macie.read(ACCOUNT, REGION),
}


@pytest.mark.parametrize("asked", ASK)
def test_new_keys_are_found_by_whoever_is_refused(serve: Serve, no_keys: Path, asked: str) -> None:
    """With the keys of now, though older ones were in use."""

    def answers(peer: Peer) -> bool:
        is_sts = b"Action=" in peer.request.body
        answer = SESSION if b"AssumeRole" in peer.request.body else IDENTITY
        return send(response(answer if is_sts else page()))(peer)

    serve(refusing("AKIAOLD", answers))
    no_keys.write_text(PROFILE.format("AKIAOLD"))
    with rig() as made:
        assert asked_with(made) == "AKIAOLD"
        no_keys.write_text(PROFILE.format("AKIANEW"))
        made.run(ASK[asked](made))
        assert asked_with(made) == "AKIANEW"


@pytest.mark.parametrize("what", ["resolver", "chain"])
def test_what_hangs_holds_no_exit(tmp_path: Path, what: str) -> None:
    """A resolver, or a credential program, that never answers: polls end, and so does the process.

    For however many polls, one program is under way.
    """
    looks, config = tmp_path / "looks", tmp_path / "config"
    program = f"/bin/sh -c 'echo >> {looks}; exec sleep 100'"
    config.write_text(f"[default]\ncredential_process = {program}\n")
    variables = {"AWS_CONFIG_FILE": str(config), "AWS_EC2_METADATA_DISABLED": "true"}
    if what == "resolver":
        hang = "socket.getaddrinfo = lambda *_, **__: threading.Event().wait()"
        (tmp_path / "sitecustomize.py").write_text(f"import socket, threading\n{hang}\n")
        variables |= {**KEYS, "PYTHONPATH": str(tmp_path)}
    account = {"id": MEMBER.id, "role_name": "reader", "regions": ["eu-west-1", "us-east-1"]}
    flags = ("--poll.timeout=1s", f"--aws.accounts={json.dumps([account])}")
    done = processes.command(variables, "once", *flags)
    assert done.returncode == 1
    assert done.stdout.count('error_code="Deadline"') == 2
    assert not looks.exists() or looks.read_text() == "\n"


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
        found = made.failure()
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
    no_keys.write_text(role + PROFILE.format("AKIAEXAMPLE").replace("default", "base"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(no_keys))
    serve(send(refusal("AccessDenied", 403, "User: x is not authorized to perform")))
    with rig() as made:
        found = made.failure()
    assert found.code == "AccessDenied"
    assert "the AWS profile's role_arn" in remedy(MEMBER, found, Settings()).text


@pytest.mark.usefixtures("irsa")
def test_the_doctor_sends_nobody_to_a_members_role(serve: Serve) -> None:
    """Whichever step found out that the exporter has no credentials of its own."""
    serve(send(refusal("AccessDenied", 403, DENIED)))
    accounts = f'--aws.accounts=[{{"id": "{MEMBER.id}", "role_name": "reader"}}]'
    flags = ("--format=json", "--aws.organization.role-name=reader", accounts)
    said = json.loads(command(os.environ, "doctor", *flags).stdout)
    told = {one["step"]: "its `aud`" in one["remedy"] for one in said}
    assert [told[step] for step in ("own credentials", "AssumeRole", "discovery")] == [True] * 3


NO_ANSWERS: Mapping[str, tuple[Behaviour, str]] = {
    "a page to log in": (send(response("\n<p>log in</p>")), "MalformedResponse"),
    "a DTD": (send(response(f"<!DOCTYPE a>{WEB_IDENTITY}")), "MalformedResponse"),
    "a denial in JSON": (send(response('{"__type": "AccessDenied"}', 403)), "MalformedResponse"),
    "no STS behind a proxy": (send(response("no upstream", 503)), "InternalServerException"),
    "too much": (flood(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 2**20, 100), "MalformedResponse"),
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
            found = made.failure()
    assert found.code == code
    assert "CredentialsError" not in found.message
    if code == "MalformedResponse":
        assert hint_of(found).startswith("what answered in the place of STS")


@pytest.mark.usefixtures("irsa")
def test_another_region_is_looked_in_at_once(serve: Serve) -> None:
    """As after a reload with other `aws.regions`; in the same one nothing is asked twice."""
    server = serve(send(response(WEB_IDENTITY)))
    regions = ["eu-west-1"]
    with rig() as made:
        own = Credentials(
            made.client, clock=ManualClock(), region=lambda: regions[-1], step=lambda: 300.0
        )
        for _ in range(2):
            made.run(own.for_account(ACCOUNT))
        assert len(server.requests) == 1
        regions.append("us-west-2")
        made.run(own.for_account(ACCOUNT))
    assert len(server.requests) == 2
