"""What git checks at a commit is what `make lint` checks."""

import re

import yaml

from tests.docs.documents import ROOT


def test_hooks_run_what_lint_runs() -> None:
    """Every program, of the locked ones in .venv; the locks themselves by make."""
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe
    linted = set(re.findall(r"\$\(BIN\)/([\w-]+)", recipe[1]))
    (repo,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    entries = " ".join(hook["entry"] for hook in repo["hooks"])
    hooked = set(re.findall(r"\.venv/bin/([\w-]+)", entries))
    assert len(linted) > 5
    assert hooked == linted - {"pre-commit"}
    assert "make check-lock" in entries
