"""Configurations, good and bad, with what each good one means and what is said of each bad one.

That stands beside each file of the corpus. A file in `said` has the variables and flags behind
`$`, the lines of exporter.yaml behind `<`, and then what is said.
"""

from pathlib import Path

import pytest

from exporter.commands.check_report import report
from exporter.settings import Settings
from exporter.settings.yaml import write_yaml
from tests.settings.loads import CORPUS, dumped, loaded, refused

GOOD = sorted(CORPUS.glob("*.good.yaml"))
BAD = sorted(CORPUS.glob("*.bad.yaml"))
SAID = sorted((CORPUS.parent / "said").glob("*.txt"))


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_a_bad_file_is_refused_with_every_reason(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All errors at once, each on one line with its key, source and what would be right.

    The value too, but for what is, or may hold, a secret.
    """
    monkeypatch.chdir(CORPUS)
    lines = refused(f"config.file={path.name}")
    assert "".join(f"{line}\n" for line in lines) == path.with_suffix(".txt").read_text("utf-8")


def marked(lines: list[str], mark: str) -> list[str]:
    """Return the lines behind a mark."""
    return [line.removeprefix(mark) for line in lines if line.startswith(mark)]


@pytest.mark.parametrize("path", SAID, ids=lambda path: path.stem)
def test_what_is_said(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each value and each unknown key has its own origin, as people have to look for it.

    Bytes that are no text could not be sent to AWS, and are not shown: they may be a secret.
    """
    lines = path.read_text("utf-8", "surrogateescape").splitlines()
    words = marked(lines, "$ ")
    monkeypatch.chdir(tmp_path)
    Path("exporter.yaml").write_text("\n".join(marked(lines, "< ")))
    environ = dict(word.split("=", 1) for word in words if not word.startswith("--"))
    region = environ.pop("AWS_REGION", None)
    said = refused(*marked(words, "--"), environ=environ, region=region)
    assert said == [line for line in lines if not line.startswith(("$ ", "< "))]


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


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "has no settings at its top; to have the defaults, write {}"),
        ("log: {level: größer}".encode("latin-1"), "not UTF-8 text"),
        (b"log: \x07", "not YAML: unacceptable character #x0007: control characters are not"),
        (b"[" * 100_000, "not YAML: nested more than 100 deep (line 1, column 101)"),
    ],
)
def test_a_file_that_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, said: str
) -> None:
    """One line, and no traceback.

    One that is empty is perhaps half written: to believe it would trust, and poll, others.
    """
    monkeypatch.chdir(tmp_path)
    path = Path("f.yaml")
    path.write_bytes(content)
    (line,) = refused(f"config.file={path}")
    assert line.startswith(f'config.file = "{path}" (from --config.file): {said}')
    path.write_text("{}")
    assert _comparable(loaded(f"config.file={path}")) == _comparable(Settings())
