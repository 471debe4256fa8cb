"""Configurations, good and bad, with what each good one means and what is said of each bad one.

That stands beside each file of the corpus. Files in `means` and `said` have variables, flags and
the lines of exporter.yaml too: where one thing is said by several.
"""

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
from exporter.settings.yaml import write_yaml
from tests.calls import calls_of
from tests.settings.loads import CORPUS, dumped, loaded, refused

GOOD = sorted(CORPUS.glob("*.good.yaml"))
BAD = sorted(CORPUS.glob("*.bad.yaml"))
SAID = sorted((CORPUS.parent / "said").glob("*.txt"))
MEANS = sorted((CORPUS.parent / "means").glob("*.txt"))


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_bad_file_is_refused_with_every_reason(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All errors at once, each on one line with its key, source and what would be right.

    The value too, but for what is, or may hold, a secret. An empty file is perhaps half written:
    to believe it would trust, and poll, others.
    """
    monkeypatch.chdir(CORPUS)
    lines = refused(f"config.file={path.name}")
    assert "".join(f"{line}\n" for line in lines) == path.with_suffix(".txt").read_text("utf-8")


class Typed:
    """A file of `said` or `means`: what is typed behind `$`, exporter.yaml behind `<`, the rest."""

    def __init__(self, path: Path) -> None:
        lines = path.read_text("utf-8", "surrogateescape").splitlines()
        words = [line[2:] for line in lines if line.startswith("$ ")]
        self.file = "\n".join(line[2:] for line in lines if line.startswith("< "))
        self.flags = [word[2:] for word in words if word.startswith("--")]
        self.environ = dict(word.split("=", 1) for word in words if not word.startswith("--"))
        self.region = self.environ.pop("AWS_REGION", None)
        self.rest = [line for line in lines if not line.startswith(("$ ", "< "))]


@pytest.fixture
def typed(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Typed:
    """One of the files, where there is an exporter.yaml."""
    monkeypatch.chdir(tmp_path)
    typed = Typed(request.param)
    Path("exporter.yaml").write_text(typed.file)
    return typed


@pytest.mark.parametrize("typed", SAID, ids=lambda path: path.stem, indirect=True)
def test_what_is_said(typed: Typed) -> None:
    """Each value and each unknown key has its own origin, as people have to look for it.

    Bytes that are no text could not be sent to AWS, and are not shown: they may be a secret.
    """
    assert refused(*typed.flags, environ=typed.environ, region=typed.region) == typed.rest


@pytest.mark.parametrize("typed", MEANS, ids=lambda path: path.stem, indirect=True)
def test_what_is_meant(typed: Typed) -> None:
    """Flags over environment over file over defaults, key by key; the region is the last resort.

    A list takes the place of another whole, and an empty flag empties it. An empty variable, and
    those that Kubernetes sets for a Service of our name, say nothing.
    """
    settings = loaded(*typed.flags, environ=typed.environ, region=typed.region)
    assert write_yaml(dumped(settings)).splitlines() == typed.rest


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_a_good_file_is_what_it_says(path: Path, tmp_path: Path) -> None:
    """The text beside it has what is set by it; secrets are asterisks.

    What `check` prints of a configuration is the same configuration.
    """
    settings = loaded(f"config.file={path}", region="eu-west-1")
    assert write_yaml(dumped(settings)) == path.with_suffix(".txt").read_text("utf-8")
    again = tmp_path / "again.yaml"
    again.write_text(report(settings), encoding="utf-8")
    assert _comparable(loaded(f"config.file={again}")) == _comparable(settings)


def _comparable(settings: Settings) -> dict[str, object]:
    return settings.model_dump(mode="json", exclude={"config"})


def test_settings_alone_read_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only `load` looks outside: a variable that happens to be called LOG changes nothing."""
    monkeypatch.setenv("LOG", '{"level": "debug"}')
    assert Settings() == loaded()


def test_text_is_not_taken_for_json() -> None:
    """An address of IPv6 begins with a bracket, and a secret may begin with anything."""
    secret = "aws.organization.external-id={["
    settings = loaded("web.listen-address=[::1]:10058", "aws.organization.role-name=r", secret)
    assert settings.web.listen_address == "[::1]:10058"
    assert settings.aws.organization is not None
    assert settings.aws.organization.external_id == SecretStr("{[")


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
