"""Flags over environment over file over defaults, key by key; how each is written, and found."""

import contextlib
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from exporter.commands.check_report import report
from exporter.settings import ConfigurationError, Settings, load
from exporter.settings.keys import FLAGS, KEYS
from tests.calls import calls_of
from tests.settings.loads import dumped, loaded

FILE = """\
poll: {interval: 1m, timeout: 10s, concurrency: 4}
aws:
  regions: [eu-west-1]
  accounts: [{id: "111122223333"}, {id: "444455556666", role_name: reader}]
  organization: {role_name: from-file, include_ous: [r-file], refresh_interval: 2h}
metrics: {trusted_inviters: ["111122223333"], per_invitation: {max_series: 5}}
"""
NOT_OURS = {
    # What a Service named macie-exporter gives every pod beside it.
    "MACIE_EXPORTER_SERVICE_HOST": "10.0.0.1",
    "MACIE_EXPORTER_SERVICE_PORT": "10058",
    "MACIE_EXPORTER_SERVICE_PORT_HTTP_METRICS": "10058",
    "MACIE_EXPORTER_PORT": "tcp://10.0.0.1:10058",
    "MACIE_EXPORTER_PORT_10058_TCP": "tcp://10.0.0.1:10058",
    "MACIE_EXPORTER_PORT_10058_TCP_ADDR": "10.0.0.1",
    # A chart may render a variable with nothing in it.
    "MACIE_EXPORTER_POLL__CONCURRENCY": "",
    "MACIE_EXPORTER_NO_SUCH_KEY": "",
    # Only `load` looks outside, and by our prefix.
    "LOG": '{"level": "debug"}',
}


def test_every_key_comes_from_the_first_that_sets_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One section may be set half by the file, half by variables and half by flags.

    A list takes the place of another whole; an empty flag empties it. What is no setting, or
    empty, says nothing.
    """
    monkeypatch.chdir(tmp_path)
    for name, text in NOT_OURS.items():
        monkeypatch.setenv(name, text)
    Path("exporter.yaml").write_text(FILE)
    settings = loaded(
        "config.file=exporter.yaml",
        "poll.interval=3m",
        "aws.organization.role-name=from-flag",
        'aws.accounts=[{"id": "777788889999"}]',
        "metrics.per-invitation.enabled=true",
        "metrics.trusted-inviters=",
        environ={
            **NOT_OURS,
            "MACIE_EXPORTER_POLL__INTERVAL": "2m",
            "MACIE_EXPORTER_POLL__TIMEOUT": "20s",
            "MACIE_EXPORTER_AWS__REGIONS": "us-east-1, us-east-2,",
            "MACIE_EXPORTER_AWS__ORGANIZATION__ROLE_NAME": "from-environment",
            "MACIE_EXPORTER_AWS__ORGANIZATION__EXTERNAL_ID": "from-environment",
        },
    )
    assert dumped(settings) == {
        "poll": {"interval": "3m", "timeout": "20s", "concurrency": 4},
        "aws": {
            "regions": ["us-east-1", "us-east-2"],
            "accounts": [{"id": "777788889999"}],
            "organization": {
                "role_name": "from-flag",
                "external_id": "**********",
                "include_ous": ["r-file"],
                "refresh_interval": "2h",
            },
        },
        "metrics": {
            "trusted_inviters": [],
            "per_invitation": {"enabled": True, "max_series": 5},
        },
    }
    assert settings.poll.model_dump(mode="json")["stale_after"] == "9m"
    assert Settings() == loaded() == loaded(environ=NOT_OURS)


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


def test_the_file_may_be_named_by_a_variable(tmp_path: Path) -> None:
    """MACIE_EXPORTER_CONFIG__FILE does what --config.file does, which comes first."""
    file, other = tmp_path / "exporter.yaml", tmp_path / "other.yaml"
    file.write_text("poll: {concurrency: 4}")
    other.write_text("poll: {concurrency: 9}")
    environ = {"MACIE_EXPORTER_CONFIG__FILE": str(file)}
    assert loaded(environ=environ).poll.concurrency == 4
    assert loaded(f"config.file={other}", environ=environ).poll.concurrency == 9
    assert loaded("config.file=", environ=environ).poll.concurrency == 128


@pytest.mark.parametrize(
    ("pod", "total", "index"), [("exporter-0", 1, 0), ("macie-2-7", 8, 7), ("a-007", 8, 7)]
)
def test_the_shard_may_be_the_pods_ordinal(pod: str, total: int, index: int) -> None:
    """A StatefulSet's pods end in their number."""
    environ = {"POD_NAME": pod, "MACIE_EXPORTER_SHARD__INDEX": "auto"}
    assert loaded(f"shard.total={total}", environ=environ).shard.index == index


WITH_REGION = '{"id": "000000000001", "regions": ["eu-west-1"]}'
ALL_HAVE_ONE = f"aws.accounts=[{WITH_REGION}]"
ONE_HAS_NONE = f'aws.accounts=[{WITH_REGION}, {{"id": "000000000002", "role_name": "r"}}]'


def test_the_region_of_the_aws_environment_is_the_default() -> None:
    """It is that of everything without a region of its own, and needed where there is such."""
    assert loaded(region="eu-west-1").aws.regions == ("eu-west-1",)
    assert loaded(ONE_HAS_NONE, region="eu-west-1").aws.regions == ("eu-west-1",)
    assert loaded("aws.regions=auto", region="eu-west-1").aws.regions == ("auto",)
    assert loaded(ALL_HAVE_ONE, region="nowhere").aws.regions == ()
    assert loaded(ALL_HAVE_ONE, region="").aws.regions == ()


@given(
    st.dictionaries(st.sampled_from([*FLAGS]) | st.text(), st.text()),
    st.dictionaries(st.sampled_from(sorted(KEYS)), st.text(), max_size=5),
)
def test_any_flags_and_variables(
    flags: Mapping[str, str], variables: Mapping[tuple[str, ...], str]
) -> None:
    """Settings, or single lines that begin with a key; never a traceback."""
    environ = {
        f"MACIE_EXPORTER_{'__'.join(path).upper()}": text for path, text in variables.items()
    }
    lines: tuple[str, ...] = ("nothing: is wrong",)
    try:
        load(flags.items(), environ, region="eu-west-1")
    except ConfigurationError as error:
        lines = error.lines
    assert lines
    assert all(": " in line and "\n" not in line for line in lines)


@pytest.mark.parametrize("key", ["name", "nmae"])
def test_many_accounts_cost_what_each_does(key: str, tmp_path: Path) -> None:
    """Four times the accounts are four times the work, to load, refuse and print: never squares."""
    path = tmp_path / "exporter.yaml"
    account = f"    - {{id: '%012d', {key}: n, role_name: *r}}\n"
    head = "aws:\n  organization: {role_name: &r reader}\n  accounts:\n"

    def work() -> None:
        with contextlib.suppress(ConfigurationError):
            report(loaded(f"config.file={path}", region="eu-west-1"))

    calls = []
    for count in (100, 400):
        path.write_text(head + "".join(account % number for number in range(count)))
        calls.append(calls_of(work))
    assert calls[1] < 5 * calls[0]
