"""Whatever is written, loading gives settings or lines for people: never a traceback."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.commands.check_report import report
from exporter.settings import ConfigurationError, load
from exporter.settings.keys import FLAGS, KEYS
from tests.calls import calls_of


def said(given_flags: dict[str, str], environ: dict[str, str]) -> None:
    """Load; if that is refused, then in single lines that begin with a key."""
    lines: tuple[str, ...] = ("nothing: is wrong",)
    try:
        load(given_flags.items(), environ, region="eu-west-1")
    except ConfigurationError as error:
        lines = error.lines
    assert lines
    assert all(": " in line and "\n" not in line for line in lines)


@given(
    st.dictionaries(st.sampled_from([*FLAGS]) | st.text(), st.text()),
    st.dictionaries(st.sampled_from(sorted(KEYS)), st.text(), max_size=5),
)
def test_any_flags_and_variables(
    given_flags: dict[str, str], variables: dict[tuple[str, ...], str]
) -> None:
    """Whatever text they hold; those of sections included."""
    environ = {
        f"MACIE_EXPORTER_{'__'.join(path).upper()}": text for path, text in variables.items()
    }
    said(given_flags, environ)


def fleet(count: int) -> str:
    """Write a configuration of very many accounts, which share their role."""
    accounts = "".join(
        f"    - {{id: '{number:012d}', name: n {number}, role_name: *r}}\n"
        for number in range(count)
    )
    return f"aws:\n  organization: {{role_name: &r reader}}\n  accounts:\n{accounts}"


@pytest.mark.parametrize("key", ["name", "nmae"])
def test_many_accounts_cost_what_each_does(key: str, tmp_path: Path) -> None:
    """Four times the accounts are four times the work, to load, refuse and print: never squares."""
    path = tmp_path / "exporter.yaml"

    def work() -> None:
        with contextlib.suppress(ConfigurationError):
            report(load([("config.file", str(path))], {}, region="eu-west-1"))

    calls = []
    for count in (100, 400):
        path.write_text(fleet(count).replace("name: n", f"{key}: n"), encoding="utf-8")
        calls.append(calls_of(work))
    assert calls[1] < 5 * calls[0]
