"""What is said of wrong flags and variables: all at once, each with the name to look for.

A file in `said` has the variables and flags behind `$`, the lines of exporter.yaml behind `<`, and
then what is said.
"""

from pathlib import Path

import pytest

from tests.settings.loads import refused

SAID = sorted((Path(__file__).parent / "said").glob("*.txt"))


def marked(lines: list[str], mark: str) -> list[str]:
    """Return the lines behind a mark."""
    return [line.removeprefix(mark) for line in lines if line.startswith(mark)]


@pytest.mark.parametrize("path", SAID, ids=lambda path: path.stem)
def test_what_is_said(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each value and each unknown key has its own origin, as people have to look for it."""
    lines = path.read_text("utf-8").splitlines()
    words = marked(lines, "$ ")
    monkeypatch.chdir(tmp_path)
    Path("exporter.yaml").write_text("\n".join(marked(lines, "< ")))
    said = refused(
        *marked(words, "--"),
        environ=dict(word.split("=", 1) for word in words if not word.startswith("--")),
    )
    assert said == [line for line in lines if not line.startswith(("$ ", "< "))]


def test_bytes_that_are_no_text() -> None:
    """AWS could not be sent them: they are refused, and not shown, since they may be a secret."""
    environ = {
        "MACIE_EXPORTER_AWS__ORGANIZATION__ROLE_NAME": "reader",
        "MACIE_EXPORTER_AWS__ORGANIZATION__EXTERNAL_ID": "hush\udcff",
    }
    (line,) = refused(environ=environ)
    assert line == (
        "aws.organization.external_id (from MACIE_EXPORTER_AWS__ORGANIZATION__EXTERNAL_ID): "
        "no text: it holds a byte that is no UTF-8"
    )
