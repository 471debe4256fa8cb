"""Flags over environment over file over defaults, key by key; and how each of them is written."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from exporter.settings import Settings, load
from tests.settings.loads import loaded


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file that sets something at every depth."""
    path = tmp_path / "exporter.yaml"
    path.write_text("""\
poll: {interval: 1m, timeout: 10s, concurrency: 4}
aws:
  regions: [eu-west-1]
  accounts: [{id: "111122223333"}, {id: "444455556666", role_name: reader}]
  organization: {role_name: from-file, include_ous: [r-file], refresh_interval: 2h}
metrics: {trusted_inviters: ["111122223333"], per_invitation: {max_series: 5}}
""")
    return path


def test_every_key_comes_from_the_first_that_sets_it(file: Path) -> None:
    """One section may be set half by the file, half by variables and half by flags."""
    settings = loaded(
        f"config.file={file}",
        "poll.interval=3m",
        "aws.organization.role-name=from-flag",
        "metrics.per-invitation.enabled=true",
        environ={
            "MACIE_EXPORTER_POLL__INTERVAL": "2m",
            "MACIE_EXPORTER_POLL__TIMEOUT": "20s",
            "MACIE_EXPORTER_AWS__ORGANIZATION__ROLE_NAME": "from-environment",
            "MACIE_EXPORTER_AWS__ORGANIZATION__EXTERNAL_ID": "from-environment",
        },
    )
    poll, organization = settings.poll, settings.aws.organization
    assert poll.model_dump(mode="json") == {
        "interval": "3m",
        "timeout": "20s",
        "concurrency": 4,
        "stale_after": "9m",
    }
    assert organization is not None
    assert organization.role_name == "from-flag"
    assert organization.external_id == SecretStr("from-environment")
    assert organization.include_ous == ("r-file",)
    assert organization.model_dump(mode="json")["refresh_interval"] == "2h"
    assert settings.metrics.per_invitation.model_dump() == {"enabled": True, "max_series": 5}
    assert settings.log == Settings().log


def test_lists_are_replaced_whole(file: Path) -> None:
    """A list from a flag or a variable takes the place of the file's; an empty flag empties it."""
    settings = loaded(
        f"config.file={file}",
        "metrics.trusted-inviters=",
        'aws.accounts=[{"id": "777788889999"}]',
        environ={"MACIE_EXPORTER_AWS__REGIONS": "us-east-1, us-east-2,"},
    )
    assert settings.metrics.trusted_inviters == ()
    assert [account.id for account in settings.aws.accounts] == ["777788889999"]
    assert settings.aws.regions == ("us-east-1", "us-east-2")


@pytest.mark.parametrize(
    "text",
    [
        "eu-west-1,us-east-1",
        " eu-west-1 , us-east-1 ",
        '["eu-west-1", "us-east-1"]',
        "[eu-west-1, us-east-1]",
    ],
)
def test_lists_are_written_with_commas_or_as_json(text: str) -> None:
    """Both ways mean the same in a flag and in a variable."""
    expected = ("eu-west-1", "us-east-1")
    assert loaded(f"aws.regions={text}").aws.regions == expected
    environ = {"MACIE_EXPORTER_AWS__REGIONS": text}
    assert loaded(environ=environ).aws.regions == expected


def test_text_is_not_taken_for_json() -> None:
    """An address of IPv6 begins with a bracket, and a secret may begin with anything."""
    secret = "aws.organization.external-id={["
    settings = loaded("web.listen-address=[::1]:10058", "aws.organization.role-name=r", secret)
    assert settings.web.listen_address == "[::1]:10058"
    assert settings.aws.organization is not None
    assert settings.aws.organization.external_id == SecretStr("{[")


def test_an_empty_variable_is_not_set(file: Path) -> None:
    """A chart may render a variable with nothing in it."""
    environ = {"MACIE_EXPORTER_POLL__INTERVAL": "", "MACIE_EXPORTER_NO_SUCH_KEY": ""}
    assert load([("config.file", str(file))], environ) == load([("config.file", str(file))], {})


def test_the_file_may_be_named_by_a_variable(file: Path, tmp_path: Path) -> None:
    """MACIE_EXPORTER_CONFIG__FILE does what --config.file does, which comes first."""
    environ = {"MACIE_EXPORTER_CONFIG__FILE": str(file)}
    assert loaded(environ=environ).poll.concurrency == 4
    other = tmp_path / "other.yaml"
    other.write_text("poll: {concurrency: 9}")
    assert loaded(f"config.file={other}", environ=environ).poll.concurrency == 9
    assert loaded("config.file=", environ=environ).poll.concurrency == 128


def test_variables_of_kubernetes_services_are_not_ours() -> None:
    """A Service named macie-exporter gives every pod beside it variables with our prefix."""
    environ = {
        "MACIE_EXPORTER_SERVICE_HOST": "10.0.0.1",
        "MACIE_EXPORTER_SERVICE_PORT": "10058",
        "MACIE_EXPORTER_SERVICE_PORT_HTTP_METRICS": "10058",
        "MACIE_EXPORTER_PORT": "tcp://10.0.0.1:10058",
        "MACIE_EXPORTER_PORT_10058_TCP": "tcp://10.0.0.1:10058",
        "MACIE_EXPORTER_PORT_10058_TCP_ADDR": "10.0.0.1",
        "POLL": "not ours either",
    }
    assert loaded(environ=environ) == Settings()
