"""Configuration files, good and bad; beside each bad one stands what is said of it."""

import re
from pathlib import Path

import pytest
import yaml

from exporter.commands.report import report
from exporter.settings import Settings
from tests.settings.loads import CORPUS, loaded, refused

GOOD = sorted(CORPUS.glob("*.good.yaml"))
BAD = sorted(CORPUS.glob("*.bad.yaml"))


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_bad_file_is_refused_with_every_reason(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All errors at once, each on one line with its key, value, source and what would be right."""
    monkeypatch.chdir(CORPUS)
    lines = refused(f"config.file={path.name}")
    assert "".join(f"{line}\n" for line in lines) == path.with_suffix(".txt").read_text("utf-8")


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.stem)
def test_a_good_file_survives_its_own_report(path: Path, tmp_path: Path) -> None:
    """What `check` prints of a configuration is the same configuration, secrets aside."""
    settings = loaded(f"config.file={path}", region="eu-west-1")
    again = tmp_path / "again.yaml"
    again.write_text(report(settings), encoding="utf-8")
    assert _comparable(loaded(f"config.file={again}")) == _comparable(settings)


def _comparable(settings: Settings) -> dict[str, object]:
    return settings.model_dump(mode="json", exclude={"config"})


def test_every_bad_file_has_its_text() -> None:
    """No expectation is left over from a file that is gone."""
    texts = {path.stem for path in CORPUS.glob("*.txt")}
    assert texts == {path.stem for path in BAD}
    assert len(list(CORPUS.iterdir())) == len(GOOD) + 2 * len(BAD)


def test_the_full_file_is_what_it_says() -> None:
    """Every key arrives where it belongs, as any reader of YAML reads it; secrets as asterisks."""
    path = CORPUS / "full.good.yaml"
    settings = loaded(f"config.file={path}")
    text = re.sub("choose-[a-z]+", "**********", path.read_text("utf-8"))
    dumped = settings.model_dump(mode="json", exclude={"config"}, exclude_unset=True)
    assert dumped == yaml.safe_load(text)


def test_keys_with_nothing_behind_them_mean_the_defaults() -> None:
    """`aws:` alone, with everything below it commented out, is as good as no `aws:`."""
    settings = loaded(f"config.file={CORPUS / 'nothing-below.good.yaml'}")
    assert _comparable(settings) == _comparable(Settings())


def test_so_do_they_in_lists(tmp_path: Path) -> None:
    """An account's keys are no other than a section's."""
    file = tmp_path / "exporter.yaml"
    file.write_text("aws: {accounts: [{id: 111122223333, name: , role_arn: ~, regions: null}]}")
    (account,) = loaded(f"config.file={file}").aws.accounts
    assert account.model_dump(exclude_defaults=True) == {"id": "111122223333"}


def test_no_value_needs_quotes() -> None:
    """What YAML takes for a truth value, a date or a number is text until its key reads it."""
    settings = loaded(f"config.file={CORPUS / 'words.good.yaml'}")
    accounts = settings.aws.accounts
    assert [account.name for account in accounts] == ["no", "2026-11-23", "0x1F", "12"]
    assert accounts[1].id == settings.metrics.trusted_inviters[0] == "012345678901"
    assert accounts[2].id == "089999999999"
    assert accounts[2].external_id is not None
    assert accounts[2].external_id.get_secret_value() == "0123"
    assert accounts[3].regions == ("eu-west-1", "us-east-1")


def test_anchors_and_merges_work() -> None:
    """Accounts that have much in common need say it once; a merge is no key that stands twice."""
    settings = loaded(f"config.file={CORPUS / 'anchors.good.yaml'}")
    first, second = settings.aws.accounts
    assert second == first.model_copy(update={"id": "089999999999"})
    assert settings.aws.regions == first.regions == ("eu-west-1", "us-east-1")


def test_regions_may_be_left_to_aws() -> None:
    """`auto` is the same alone and as the only one of a list."""
    settings = loaded(f"config.file={CORPUS / 'regions-auto.good.yaml'}")
    regions = [account.regions for account in settings.aws.accounts]
    assert regions == [(), ("auto",), ("eu-west-1",)]
    assert settings.aws.regions == ("auto",)
    assert settings.auto_regions
    assert not Settings().auto_regions


def test_a_file_that_is_not_there() -> None:
    """A missing file, and a folder in its place, are named with what named them."""
    missing = Path("/nowhere/none.yaml")
    assert refused(f"config.file={missing}") == [
        f'config.file = "{missing}" (from --config.file): cannot read it: No such file or directory'
    ]
    # It may name regions: that there are none is not known.
    assert len(refused(f"config.file={missing}", region="")) == 1
    assert refused(environ={"MACIE_EXPORTER_CONFIG__FILE": "/"}) == [
        'config.file = "/" (from MACIE_EXPORTER_CONFIG__FILE): cannot read it: Is a directory'
    ]


@pytest.mark.parametrize("text", ["", "# all of it is commented out\n", "---\n"])
def test_an_empty_file_is_not_the_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """It is perhaps half written: to believe it would trust, and poll, others than was meant."""
    monkeypatch.chdir(tmp_path)
    path = Path("exporter.yaml")
    path.write_text(text)
    assert refused(f"config.file={path}") == [
        f'config.file = "{path}" (from --config.file): is empty; to have the defaults, write {{}}'
    ]
    path.write_text("{}")
    assert _comparable(loaded(f"config.file={path}")) == _comparable(Settings())


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    """Another encoding, a control character, or endless nesting: no traceback, but one line."""
    path = tmp_path / "f.yaml"
    named = f'config.file = "{path}" (from --config.file): '
    path.write_bytes("log: {level: größer}".encode("latin-1"))
    assert refused(f"config.file={path}") == [f"{named}not UTF-8 text"]
    path.write_text("log: \x07")
    assert refused(f"config.file={path}") == [
        (
            f"{named}not YAML: unacceptable character #x0007: control characters are not allowed "
            'in "<unicode string>", position 5'
        )
    ]
    path.write_text("[" * 1000)
    assert refused(f"config.file={path}")[0].startswith(f"{named}not YAML: ")


def test_secrets_are_never_said() -> None:
    """A secret of a wrong type stays unseen; so does one under a mistyped key (`said`)."""
    path = CORPUS / "types-values.bad.yaml"
    assert "98765432" not in "\n".join(refused(f"config.file={path}"))
