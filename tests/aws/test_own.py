"""What goes wrong while boto3 gets the exporter's own credentials: bounded, and rightly named."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from exporter.aws.credentials import Credentials
from exporter.error_codes import hint_of
from exporter.iam.remedies import remedy
from exporter.model import Account, AwsError, Failure, Role
from exporter.settings import Settings
from tests.aws.conftest import Serve
from tests.aws.rig import ACCOUNT, REGION, Rig, rig
from tests.faults.bounds import bounded
from tests.faults.services import HUB, SESSION, refusal, sts
from tests.faulty import Behaviour, by_turns, flood, response, send, send_and_close
from tests.inprocess import command

ROLE = f"arn:aws:iam::{HUB}:role/exporter"
MEMBER = Account("111122223333", role=Role("arn:aws:iam::111122223333:role/reader"))
_WEB_IDENTITY = SESSION.replace("AssumeRole", "AssumeRoleWithWebIdentity")


@pytest.fixture
def irsa(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A pod's service account instead of keys."""
    (tmp_path / "token").write_text("a.b.c")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)


@pytest.fixture
def profile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A profile with a role to assume instead of keys."""
    (tmp_path / "config").write_text(
        f"[default]\nrole_arn = {ROLE}\nsource_profile = base\n"
        "[profile base]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = secret\n"
    )
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))


def failure(made: Rig) -> Failure:
    """Look for credentials; give why there are none."""
    with pytest.raises(AwsError) as caught:
        made.run(made.credentials.for_account(ACCOUNT))
    return caught.value.failure


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


@pytest.mark.usefixtures("profile")
def test_a_profiles_role_that_cannot_be_assumed(serve: Serve) -> None:
    """It is that role that has to trust, not a member's."""
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


NO_ANSWERS: Mapping[str, tuple[Behaviour, str]] = {
    "a blocked page": (send(response("<html><p>no</p></html>", 403)), "MalformedResponse"),
    "a blocked page that is no XML": (send(response("<p>no", 403)), "MalformedResponse"),
    "a page to log in": (send(response("<p>log in", 200)), "MalformedResponse"),
    "such a page that is XML": (send(response("\n<p>log in</p>", 200)), "MalformedResponse"),
    "a DTD": (send(response(f"<!DOCTYPE a>{_WEB_IDENTITY}")), "MalformedResponse"),
    "a negative chunk": (
        flood(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", b"x" * 1024 * 1024, 100
        ),
        "MalformedResponse",
    ),
    "a hundred megabytes": (
        flood(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 1024 * 1024, 100),
        "MalformedResponse",
    ),
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


@pytest.mark.usefixtures("irsa")
def test_what_passes_by_itself_is_tried_again(serve: Serve) -> None:
    """As boto3 does."""
    server = serve(by_turns(send_and_close(b""), send(response(_WEB_IDENTITY)), sts))
    with rig() as made:
        assert made.run(made.credentials.identity()).account_id == HUB
    assert len(server.requests) == 3


@pytest.mark.usefixtures("irsa")
def test_another_region_is_looked_in_at_once(serve: Serve) -> None:
    """As after a reload with other `aws.regions`; in the same one nothing is asked twice."""
    server = serve(send(response(_WEB_IDENTITY)))
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


SPOILED: Mapping[str, Callable[[str], str]] = {
    "a line break behind it": lambda text: f"{text}\n",
    "a blank in front": lambda text: f" {text}",
}


@pytest.mark.parametrize("spoil", SPOILED)
@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_a_key_with_a_blank_too_much(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, name: str, spoil: str
) -> None:
    """As a secret that was written with `echo` has: it is said so, and AWS is not asked."""
    server = serve(sts)
    monkeypatch.setenv(name, SPOILED[spoil]("AKIAEXAMPLE"))
    with rig() as made:
        found = failure(made)
    message = "a key or token of env begins or ends in a blank or line break"
    assert (found.code, found.message) == ("CredentialsError", message)
    assert server.requests == []
