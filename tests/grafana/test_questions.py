"""The four questions of the first row, over made-up series, by promtool: what is known, what not.

Two targets, alpha and beta, of one exporter, unless the case says otherwise.
"""

import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest
import yaml

from grafana.boards import BOARDS
from grafana.promql import NONE_SEEN, NOT_CONFIGURED, NOT_YET
from tests.grafana.reading import interpolated

Series = Mapping[str, float]

_QUESTIONS = BOARDS["invitations"].rows[1]
QUESTIONS = {
    query.legend: interpolated(query.expr) for panel in _QUESTIONS.panels for query in panel.queries
}
DAY = 1440
"""Minutes, which is what a sample is."""


def scraped(series: Series, instance: str = "a:1", cluster: str = "") -> Series:
    """Put on the series the labels of a scrape."""
    labels = f',job="j",instance="{instance}",cluster="{cluster}"'
    return {
        name.replace("}", f"{labels}}}").replace("{,", "{"): value for name, value in series.items()
    }


def exporter(pending: int = 0, shard: int = 0, shards: int = 1, trust: int = 1) -> Series:
    """Return what every exporter shows."""
    return {
        "macie_exporter_build_info{}": 1,
        'macie_exporter_targets{state="pending"}': pending,
        "macie_exporter_shard_index{}": shard,
        "macie_exporter_shards{}": shards,
        "macie_trust_configured{}": trust,
    }


def target(account: str, *, success: int = 1, enabled: int | None = 1) -> Series:
    """Return what there is of a target that was polled; enabled is None where nothing is known."""
    labels = f'aws_account_id="{account}",aws_region="r"'
    known = {} if enabled is None else {f"macie_enabled{{{labels}}}": enabled}
    return {
        f"macie_poll_timestamp_seconds{{{labels}}}": DAY * 60 - 30,
        f"macie_poll_last_success_timestamp_seconds{{{labels}}}": DAY * 60 - 90,
        f"macie_poll_success{{{labels}}}": success,
        **known,
    }


def invitation(account: str, status: str, number: int, untrusted: int | None = 0) -> Series:
    """Return a target's invitations of a status; untrusted is None where no list is set."""
    labels = f'aws_account_id="{account}",aws_region="r",relationship_status="{status}"'
    shown = {f'macie_invitations{{{labels},age_bucket="00d-01d"}}': number}
    if untrusted is not None:
        shown[f"macie_untrusted_invitations{{{labels}}}"] = untrusted
    if number:
        shown[f"macie_invitation_oldest_timestamp_seconds{{{labels}}}"] = DAY * 60 - 3600
    return shown


def all_of(*parts: Series) -> Series:
    """Put series together."""
    return {name: value for part in parts for name, value in part.items()}


NONE_INVITED = invitation("alpha", "Invited", 0)
ALL_KNOWN = scraped(all_of(exporter(), target("alpha"), target("beta"), NONE_INVITED))
BETA_UNKNOWN = scraped(
    all_of(exporter(), target("alpha"), target("beta", success=0, enabled=None), NONE_INVITED)
)

CASES: dict[str, tuple[Series, Mapping[str, float | None]]] = {
    "nothing is scraped": (
        {},
        dict.fromkeys(QUESTIONS),
    ),
    "all is known, and nobody invited": (
        ALL_KNOWN,
        {
            "asking": 0,
            "accepted": 0,
            "waiting": 0,
            "longest": 0,
            "Macie is off": 0,
            "relationship broken": 0,
            "no longer polled": NOT_YET,
            "of the targets known": 1,
            "oldest answer shown": 90,
        },
    ),
    "of one target nothing is known": (
        BETA_UNKNOWN,
        {
            "asking": NONE_SEEN,
            "accepted": NONE_SEEN,
            "waiting": NONE_SEEN,
            "longest": NONE_SEEN,
            "Macie is off": NONE_SEEN,
            "relationship broken": NONE_SEEN,
            "of the targets known": 0.5,
        },
    ),
    "of one target nothing is known, and the other has an invitation": (
        scraped(
            all_of(
                exporter(),
                target("alpha"),
                target("beta", success=0, enabled=None),
                invitation("alpha", "Invited", 1, untrusted=1),
            )
        ),
        {"asking": 1, "accepted": NONE_SEEN, "waiting": 1, "longest": 3600},
    ),
    "one target is yet to be polled": (
        scraped(all_of(exporter(pending=1), target("alpha"), NONE_INVITED)),
        {"asking": NONE_SEEN, "waiting": NONE_SEEN, "of the targets known": 0.5},
    ),
    "nothing is known of any target": (
        scraped(all_of(exporter(), target("alpha", success=0, enabled=None))),
        dict.fromkeys(QUESTIONS),
    ),
    "a failing target whose values are still shown is known": (
        scraped(all_of(exporter(), target("alpha", success=0), NONE_INVITED)),
        {"asking": 0, "waiting": 0, "of the targets known": 1},
    ),
    "one of two shards is missing": (
        scraped(all_of(exporter(shards=2), target("alpha"), NONE_INVITED)),
        {"asking": NONE_SEEN, "waiting": NONE_SEEN, "of the targets known": 0.5},
    ),
    "both shards are there": (
        all_of(
            scraped(all_of(exporter(shards=2), target("alpha"), NONE_INVITED), "a:1"),
            scraped(all_of(exporter(shard=1, shards=2), target("beta")), "b:1"),
        ),
        {"asking": 0, "waiting": 0, "of the targets known": 1},
    ),
    "a replica is being replaced, and both show the same": (
        all_of(
            *(
                scraped(
                    all_of(
                        exporter(),
                        target("alpha"),
                        invitation("alpha", "Invited", 2, untrusted=1),
                        invitation("alpha", "Paused", 1, untrusted=1),
                    ),
                    instance,
                )
                for instance in ("a:1", "b:1")
            )
        ),
        {
            "asking": 1,
            "accepted": 1,
            "waiting": 2,
            "relationship broken": 1,
            "of the targets known": 1,
        },
    ),
    "two clusters poll the same account, and one of them another": (
        all_of(
            scraped(
                all_of(exporter(), target("alpha"), invitation("alpha", "Invited", 2)),
                cluster="a",
            ),
            scraped(
                all_of(
                    exporter(), target("alpha"), invitation("alpha", "Invited", 2), target("beta")
                ),
                cluster="b",
            ),
        ),
        {"asking": 0, "waiting": 2, "of the targets known": 1},
    ),
    "a shard is missing in one of two clusters": (
        all_of(
            scraped(all_of(exporter(), target("alpha"), NONE_INVITED), cluster="a"),
            scraped(all_of(exporter(shards=2), target("beta")), cluster="b"),
        ),
        {"asking": NONE_SEEN, "waiting": NONE_SEEN, "of the targets known": 0.5},
    ),
    "trust is not configured": (
        scraped(
            all_of(
                exporter(trust=0),
                target("alpha"),
                invitation("alpha", "Invited", 1, untrusted=None),
            )
        ),
        {"asking": NOT_CONFIGURED, "accepted": NOT_CONFIGURED, "waiting": 1},
    ),
    "nothing is filled with zeros": (
        scraped(all_of(exporter(), target("alpha"))),
        {"asking": 0, "waiting": 0, "longest": 0, "relationship broken": 0},
    ),
    "Macie is off in one region": (
        scraped(all_of(exporter(), target("alpha", enabled=0), target("beta"))),
        {"Macie is off": 1, "of the targets known": 1},
    ),
    "a relationship ended, in one target without another": (
        scraped(
            all_of(
                exporter(),
                target("alpha"),
                invitation("alpha", "Removed", 1),
                target("beta"),
                invitation("beta", "Removed", 1),
                invitation("beta", "Enabled", 1),
            )
        ),
        {"relationship broken": 1},
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_answers(promtool: Path, tmp_path: Path, case: str) -> None:
    """Numbers, “none seen, some unknown”, “not known yet”, or nothing, which reads “unknown”."""
    series, answers = CASES[case]
    # Only the last five minutes: there is no yesterday.
    given = {name: f"_x{DAY - 5} {value}x10" for name, value in series.items()}
    assert _wrong(promtool, tmp_path, given, answers) == ""


@pytest.mark.parametrize(
    ("beta", "number"),
    [(f"1x{DAY + 10}", 0), (f"1x{DAY - 60} _x70", 1)],
    ids=["still polled", "no longer polled"],
)
def test_targets_that_are_gone(promtool: Path, tmp_path: Path, beta: str, number: int) -> None:
    """Once there is a yesterday, those that were polled then and are no more are counted."""
    given = {name: f"{value}x{DAY + 10}" for name, value in ALL_KNOWN.items()}
    given = {name: beta if "beta" in name else text for name, text in given.items()}
    assert _wrong(promtool, tmp_path, given, {"no longer polled": number}) == ""


@pytest.mark.parametrize("names", [[], ["old"], ["new", "old"]], ids=len)
def test_accounts_have_one_row_whatever_their_names(
    promtool: Path, tmp_path: Path, names: list[str]
) -> None:
    """With its name; without one where there is none; with either where it is being renamed."""
    (panel,) = [each for each in BOARDS["invitations"].panels if "longest" in each.title]
    infos = {
        f'macie_account_info{{aws_account_id="alpha",account_name="{name}"}}': 1 for name in names
    }
    series = scraped(all_of(infos, invitation("alpha", "Invited", 1)))
    given = {name: f"{value}x{DAY}" for name, value in series.items()}
    expr = interpolated(panel.queries[0].expr)
    marked = f'"as_expected", "yes", "account_name", "{"|".join(names)}"'
    expected = {
        "expr": f"count by (as_expected) (label_replace({expr}, {marked}))",
        "eval_time": f"{DAY}m",
        "exp_samples": [{"labels": '{as_expected="yes"}', "value": 1}],
    }
    assert _complaints(promtool, tmp_path, given, [expected]) == ""


def _wrong(
    promtool: Path,
    folder: Path,
    series: Mapping[str, str],
    answers: Mapping[str, float | None],
) -> str:
    """Return what promtool finds wrong as of a day after the first sample."""
    return _complaints(promtool, folder, series, list(_expected(answers)))


def _complaints(
    promtool: Path,
    folder: Path,
    series: Mapping[str, str],
    expected: list[Mapping[str, object]],
) -> str:
    tests = {
        "rule_files": [],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    {"series": name, "values": values} for name, values in series.items()
                ],
                "promql_expr_test": expected,
            }
        ],
    }
    file = folder / "tests.yaml"
    file.write_text(yaml.safe_dump(tests))
    done = subprocess.run(
        [promtool, "test", "rules", file], capture_output=True, text=True, check=False
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def _expected(answers: Mapping[str, float | None]) -> Iterable[Mapping[str, object]]:
    for legend, value in answers.items():
        samples = [] if value is None else [{"labels": "{}", "value": value}]
        yield {"expr": QUESTIONS[legend], "eval_time": f"{DAY}m", "exp_samples": samples}
