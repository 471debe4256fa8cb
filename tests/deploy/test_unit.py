"""The unit for systemd, as systemd itself reads it."""

import re
import subprocess
import sys
from pathlib import Path

from tests.conftest import require
from tests.docs.documents import ROOT

UNIT = ROOT / "deploy" / "macie-invitations-exporter.service"
WORST = 15
"""Tenths of the exposure that `systemd-analyze security` gives, of 100."""


def _analyze(*words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run systemd's own checker."""
    command = [require("systemd-analyze"), *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_is_a_right_unit(tmp_path: Path) -> None:
    """Every key is known and every value understood, without a word of complaint."""
    unit = tmp_path / UNIT.name
    unit.write_text(
        UNIT.read_text().replace("/opt/macie-invitations-exporter/bin/", f"{tmp_path}/")
    )
    program = tmp_path / "macie-invitations-exporter"
    program.symlink_to(sys.executable)
    checked = _analyze("verify", "--man=no", unit)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_is_hardened() -> None:
    """The exposure is at most what is stated, and what the unit and its page say that it is."""
    flags = ("security", "--offline=true", "--no-pager")
    checked = _analyze(*flags, f"--threshold={WORST}", UNIT)
    assert checked.returncode == 0, checked.stdout
    found = re.search(r"Overall exposure level for \S+ (\d\.\d)", checked.stdout)
    assert found, checked.stdout
    assert f"gives it {found[1]} (0 is best" in UNIT.read_text()
    page = (ROOT / "docs" / "deploy" / "systemd.md").read_text()
    assert f"says {found[1]} of 10" in page
