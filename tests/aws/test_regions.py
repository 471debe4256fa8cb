"""Which STS is asked: one region for the search for credentials and for what they are used for."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.faulty import LOOPBACK, FaultyServer, send_and_close
from tests.inprocess import command

_KEYS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret"}
_ROLE = "arn:aws:iam::100000000000:role/exporter"
CREDENTIALS: Mapping[str, Mapping[str, str]] = {
    "keys": _KEYS,
    "web identity": {"AWS_WEB_IDENTITY_TOKEN_FILE": "DIR/token", "AWS_ROLE_ARN": _ROLE},
    "a profile with a role": {"AWS_PROFILE": "audit", "AWS_CONFIG_FILE": "DIR/config"},
}
_CONFIG = (
    f"[profile audit]\nregion = il-central-1\nrole_arn = {_ROLE}\nsource_profile = base\n"
    "[profile base]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = secret\n"
)


def asked(tmp_path: Path, variables: Mapping[str, str], *flags: str) -> set[str]:
    """Return the hosts that a run asks a proxy for, whose answer is always no."""
    (tmp_path / "token").write_text("a.b.c")
    (tmp_path / "config").write_text(_CONFIG)
    with FaultyServer(send_and_close(b"HTTP/1.1 502 No\r\n\r\n")) as between:
        given = {name: value.replace("DIR", str(tmp_path)) for name, value in variables.items()}
        proxy = f"http://{LOOPBACK}:{between.port}"
        environment = {"HTTPS_PROXY": proxy, "NO_PROXY": "", **given}
        command(environment, "doctor", "--format=json", *flags)
        return {request.target for request in between.requests}


@pytest.mark.parametrize(
    ("credentials", "variables", "expected"),
    [
        ("keys", {"AWS_REGION": "us-west-2", "AWS_DEFAULT_REGION": "us-east-2"}, "us-west-2"),
        ("web identity", {"AWS_DEFAULT_REGION": "us-east-2"}, "us-east-2"),
        ("a profile with a role", {"AWS_REGION": "us-west-2"}, "us-west-2"),
        ("a profile with a role", {}, "il-central-1"),
    ],
)
def test_sts_is_asked_in_the_environments_region(
    tmp_path: Path, credentials: str, variables: Mapping[str, str], expected: str
) -> None:
    """AWS_REGION first, the profile last, wherever credentials come from."""
    hosts = asked(tmp_path, {**CREDENTIALS[credentials], **variables})
    assert hosts == {f"sts.{expected}.amazonaws.com:443"}


def test_sts_is_asked_in_a_configured_region(tmp_path: Path) -> None:
    """Where the environment names none."""
    hosts = asked(tmp_path, CREDENTIALS["web identity"], "--aws.regions=sa-east-1,us-west-2")
    assert hosts == {"sts.sa-east-1.amazonaws.com:443"}
