"""AWS's own variables keep their meaning: region, profile, endpoints, trust, proxies."""

import os
from collections.abc import Mapping
from pathlib import Path

import botocore.session
import pytest

from exporter.aws import environment
from exporter.aws.environment import AwsEnvironmentError
from exporter.model import AwsError, in_other_partition
from tests.aws.rig import rig
from tests.faulty import LOOPBACK, FaultyServer, send_and_close
from tests.inprocess import command
from tests.processes import refusing_port

# -- region and profile -----------------------------------------------------------------------


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A configuration file in the place of the machine's own, and no variable for the region."""
    path = tmp_path / "config"
    path.write_text(
        "[default]\nregion = eu-south-1\n[profile audit]\nregion = il-central-1\n[profile bare]\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(path))
    monkeypatch.delenv("AWS_DEFAULT_REGION")


@pytest.mark.parametrize(
    ("variables", "region"),
    [
        ({}, "eu-south-1"),
        ({"AWS_PROFILE": "audit"}, "il-central-1"),
        ({"AWS_PROFILE": "bare"}, ""),
        ({"AWS_PROFILE": "audit", "AWS_DEFAULT_REGION": "us-east-2"}, "us-east-2"),
        ({"AWS_REGION": "us-west-2", "AWS_DEFAULT_REGION": "us-east-2"}, "us-west-2"),
        ({"AWS_REGION": ""}, "eu-south-1"),
    ],
    indirect=["variables"],
)
@pytest.mark.usefixtures("configured", "variables")
def test_the_environments_region(region: str) -> None:
    """AWS_REGION over AWS_DEFAULT_REGION over the profile; empty where none says it."""
    assert environment.region(os.environ) == region


EMPTY = "AWS_PROFILE (or AWS_DEFAULT_PROFILE) is empty: unset it, or name a profile"
NOBODY = "The config profile (nobody) could not be found"
ELSEWHERE = "the region us-gov-west-1 is not in the partition aws, the only one with Macie"


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"AWS_PROFILE": "nobody"}, NOBODY),
        # Even where the region is known without it: nothing else would be.
        ({"AWS_PROFILE": "nobody", "AWS_REGION": "us-west-2"}, NOBODY),
        ({"AWS_PROFILE": ""}, EMPTY),
        ({"AWS_DEFAULT_PROFILE": ""}, EMPTY),
        ({"AWS_REGION": "us-gov-west-1"}, ELSEWHERE),
        ({"AWS_CONFIG_FILE": __file__}, f"Unable to parse config file: {__file__}"),
    ],
    ids=["unknown", "unknown, with a region", "empty", "empty default", "partition", "no INI"],
    indirect=["variables"],
)
@pytest.mark.usefixtures("configured", "variables")
def test_an_environment_that_cannot_be_used(said: str) -> None:
    """The message names what is wrong in it."""
    with pytest.raises(AwsEnvironmentError) as caught:
        environment.region(os.environ)
    assert str(caught.value) == said


def test_which_regions_are_in_other_partitions() -> None:
    """As botocore tells them apart, which knows Macie in none of them."""
    session = botocore.session.get_session()
    for partition in session.get_available_partitions():
        assert not session.get_available_regions("macie2", partition) or partition == "aws"
        for region in session.get_available_regions("sts", partition):
            assert in_other_partition(region) == (partition != "aws"), region


# -- which STS is asked -------------------------------------------------------------------------

_ROLE = "arn:aws:iam::100000000000:role/exporter"
_CONFIG = (
    f"[profile audit]\nregion = il-central-1\nrole_arn = {_ROLE}\nsource_profile = base\n"
    "[profile base]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = secret\n"
)
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret"}
WEB_IDENTITY = {"AWS_WEB_IDENTITY_TOKEN_FILE": "DIR/token", "AWS_ROLE_ARN": _ROLE}
PROFILE = {"AWS_PROFILE": "audit", "AWS_CONFIG_FILE": "DIR/config"}


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({**KEYS, "AWS_REGION": "us-west-2", "AWS_DEFAULT_REGION": "us-east-2"}, "us-west-2"),
        ({**WEB_IDENTITY, "AWS_DEFAULT_REGION": "us-east-2"}, "us-east-2"),
        ({**PROFILE, "AWS_REGION": "us-west-2"}, "us-west-2"),
        (PROFILE, "il-central-1"),
        ({**WEB_IDENTITY, "MACIE_EXPORTER_AWS__REGIONS": "sa-east-1,us-west-2"}, "sa-east-1"),
    ],
    ids=["keys", "web identity", "profile, AWS_REGION", "profile", "aws.regions"],
)
def test_sts_is_asked_in_one_region(
    tmp_path: Path, variables: Mapping[str, str], expected: str
) -> None:
    """For credentials, wherever they come from, and for what they are used for.

    AWS_REGION first, then the profile, and a configured region where the environment names none.
    """
    (tmp_path / "token").write_text("a.b.c")
    (tmp_path / "config").write_text(_CONFIG)
    with FaultyServer(send_and_close(b"HTTP/1.1 502 No\r\n\r\n")) as between:
        given = {name: value.replace("DIR", str(tmp_path)) for name, value in variables.items()}
        proxy = {"HTTPS_PROXY": f"http://{LOOPBACK}:{between.port}", "NO_PROXY": ""}
        command({**given, **proxy}, "doctor", "--format=json")
        assert {one.target for one in between.requests} == {f"sts.{expected}.amazonaws.com:443"}


# -- endpoints ----------------------------------------------------------------------------------

VARIANTS = ("AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT")


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"AWS_ENDPOINT_URL": "nowhere"}, "ValueError: check AWS_ENDPOINT_URL"),
        (dict.fromkeys(VARIANTS, "true"), "EndpointVariantError: Unable to"),
    ],
    ids=str,
    indirect=["variables"],
)
@pytest.mark.usefixtures("variables")
def test_where_there_is_no_endpoint(said: str) -> None:
    """It is that target's failure, with what was wrong, and nothing counts as asked."""
    with rig() as made, pytest.raises(AwsError) as caught:
        made.read(region="us-isof-south-1")
    assert caught.value.failure.code == "EndpointConnectionError"
    assert caught.value.failure.message.startswith(f"no endpoint for macie2: {said}")
    assert made.attempts.codes == []


@pytest.mark.parametrize("variable", VARIANTS)
def test_an_endpoint_of_a_kind_that_the_region_lacks(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """The message names the variable that asks for it; without it, none."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setenv("HTTPS_PROXY", f"http://{LOOPBACK}:{refusing_port()}")
    with rig(attempts=1) as made:
        assert "AWS_USE" not in made.failure().message
    monkeypatch.setenv(variable, "true")
    with rig(attempts=1) as made:
        failure = made.failure()
    assert failure.code == "EndpointConnectionError"
    assert failure.message.endswith(
        f" ({variable} asks for this endpoint, which not every region has)"
    )
