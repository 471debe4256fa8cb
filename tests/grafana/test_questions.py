"""The four questions of the first row, over made-up series, by promtool: what is known, what not.

Two targets, alpha and beta, of one exporter, unless the case says otherwise.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

from grafana.promql import NONE_SEEN, NOT_CONFIGURED, NOT_YET
from tests.grafana.reading import interpolated, panel, questions
from tests.rules.rulefile import Trial, failures

Series = Mapping[str, float]

QUESTIONS = questions()
DAY = 1440
"""Minutes, which is what a sample is."""


def scraped(*parts: Series, instance: str = "a:1", cluster: str = "") -> dict[str, float]:
    """Put series together, with the labels of a scrape."""
    labels = f',job="j",instance="{instance}",cluster="{cluster}"'
    return {
        name.replace("}", f"{labels}}}").replace("{,", "{"): value
        for part in parts
        for name, value in part.items()
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


NONE_INVITED = invitation("alpha", "Invited", 0)
ALL_KNOWN = scraped(exporter(), target("alpha"), target("beta"), NONE_INVITED)
UNKNOWN_BETA = target("beta", success=0, enabled=None)
ALPHA = (exporter(), target("alpha"))
ASKED_TWICE = (*ALPHA, invitation("alpha", "Invited", 2))
ASKED_ONCE = (*ALPHA, invitation("alpha", "Invited", 1, untrusted=1))
REPLACED = (
    *ALPHA,
    invitation("alpha", "Invited", 2, untrusted=1),
    invitation("alpha", "Paused", 1, untrusted=1),
)
ENDED = [invitation(each, "Removed", 1) for each in ("alpha", "beta")]
HOW_MANY = ("asking", "accepted", "waiting", "longest", "Macie is off")
NONE = dict.fromkeys((*HOW_MANY, "relationship broken"), 0)
KNOWN = "of the targets known"
"""The share of them."""
HALF = {"asking": NONE_SEEN, "waiting": NONE_SEEN, KNOWN: 0.5}
"""Nothing is seen in what is known, which is half of all."""

CASES: dict[str, tuple[Series, Mapping[str, float | None]]] = {
    "nothing is scraped": ({}, dict.fromkeys(QUESTIONS)),
    "all is known, and nobody invited": (
        ALL_KNOWN,
        {**NONE, "no longer polled": NOT_YET, KNOWN: 1, "oldest answer shown": 90},
    ),
    "of one target nothing is known": (
        scraped(*ALPHA, UNKNOWN_BETA, NONE_INVITED),
        {**dict.fromkeys(NONE, NONE_SEEN), KNOWN: 0.5},
    ),
    "of one target nothing is known, and the other has an invitation": (
        scraped(*ASKED_ONCE, UNKNOWN_BETA),
        {"asking": 1, "accepted": NONE_SEEN, "waiting": 1, "longest": 3600},
    ),
    "one target is yet to be polled": (
        scraped(exporter(pending=1), target("alpha"), NONE_INVITED),
        HALF,
    ),
    "nothing is known of any target": (
        scraped(exporter(), target("alpha", success=0, enabled=None)),
        dict.fromkeys(QUESTIONS),
    ),
    "a failing target whose values are still shown is known": (
        scraped(exporter(), target("alpha", success=0), NONE_INVITED),
        {"asking": 0, "waiting": 0, KNOWN: 1},
    ),
    "one of two shards is missing": (
        scraped(exporter(shards=2), target("alpha"), NONE_INVITED),
        HALF,
    ),
    "both shards are there": (
        scraped(exporter(shards=2), target("alpha"), NONE_INVITED)
        | scraped(exporter(shard=1, shards=2), target("beta"), instance="b:1"),
        {"asking": 0, "waiting": 0, KNOWN: 1},
    ),
    "a replica is being replaced, and both show the same": (
        scraped(*REPLACED) | scraped(*REPLACED, instance="b:1"),
        {"asking": 1, "accepted": 1, "waiting": 2, "relationship broken": 1, KNOWN: 1},
    ),
    "two clusters poll the same account, and one of them another": (
        scraped(*ASKED_TWICE, cluster="a") | scraped(*ASKED_TWICE, target("beta"), cluster="b"),
        {"asking": 0, "waiting": 2, KNOWN: 1},
    ),
    "a shard is missing in one of two clusters": (
        scraped(exporter(), target("alpha"), NONE_INVITED, cluster="a")
        | scraped(exporter(shards=2), target("beta"), cluster="b"),
        HALF,
    ),
    "trust is not configured": (
        scraped(exporter(trust=0), target("alpha"), invitation("alpha", "Invited", 1, None)),
        {"asking": NOT_CONFIGURED, "accepted": NOT_CONFIGURED, "waiting": 1},
    ),
    "nothing is filled with zeros": (
        scraped(exporter(), target("alpha")),
        {"asking": 0, "waiting": 0, "longest": 0, "relationship broken": 0},
    ),
    "Macie is off in one region": (
        scraped(exporter(), target("alpha", enabled=0), target("beta")),
        {"Macie is off": 1, KNOWN: 1},
    ),
    "a relationship ended, in one target without another": (
        scraped(*ALPHA, target("beta"), *ENDED, invitation("beta", "Enabled", 1)),
        {"relationship broken": 1},
    ),
}


def trial(series: Mapping[str, str], expected: Iterable[tuple[str, Mapping[str, float]]]) -> Trial:
    """Return queries with what they find a day after the first sample."""
    tests = [
        {
            "expr": expr,
            "eval_time": f"{DAY}m",
            "exp_samples": [{"labels": labels, "value": x} for labels, x in found.items()],
        }
        for expr, found in expected
    ]
    given = [{"series": name, "values": values} for name, values in series.items()]
    return Trial([], [{"interval": "1m", "input_series": given, "promql_expr_test": tests}])


def answered(series: Mapping[str, str], answers: Mapping[str, float | None]) -> Trial:
    """Return questions with their answers; None is no answer."""
    found = {legend: {} if x is None else {"{}": x} for legend, x in answers.items()}
    return trial(series, [(QUESTIONS[legend], x) for legend, x in found.items()])


def test_answers(promtool: Path, tmp_path: Path) -> None:
    """Numbers, “none seen, some unknown”, “not known yet”, or nothing, which reads “unknown”.

    Once there is a yesterday, targets that were polled then and are no more are counted.
    """
    # Only the last five minutes: there is no yesterday.
    trials = {
        case: answered({name: f"_x{DAY - 5} {x}x10" for name, x in series.items()}, answers)
        for case, (series, answers) in CASES.items()
    }
    all_day = {name: f"{value}x{DAY + 10}" for name, value in ALL_KNOWN.items()}
    ended = {name: f"1x{DAY - 60} _x70" for name in all_day if "beta" in name}
    trials["still polled"] = answered(all_day, {"no longer polled": 0})
    trials["no longer polled"] = answered(all_day | ended, {"no longer polled": 1})
    assert failures(promtool, tmp_path, trials) == {}


def test_an_exporter_that_is_gone_counts_as_down(promtool: Path, tmp_path: Path) -> None:
    """Of the jobs in which there was one within a day; others are left out."""
    there, other = '{job="j",instance="a:1"}', '{job="other",instance="b:1"}'
    series = {
        f"up{there}": f"_x{DAY - 60} 1x30 0x60",
        f"macie_exporter_build_info{there}": f"_x{DAY - 60} 1x30 stale",
        f"up{other}": f"0x{DAY + 60}",
    }
    down, all_of_them = panel("exporter", "Exporters down")["targets"]
    asked = [(interpolated(target["expr"]), {"{}": 1}) for target in (down, all_of_them)]
    assert failures(promtool, tmp_path, {"down": trial(series, asked)}) == {}


def test_accounts_have_one_row_whatever_their_names(promtool: Path, tmp_path: Path) -> None:
    """With its name; without one where there is none; with either where it is being renamed."""
    expr = interpolated(panel("invitations", "Waiting longest for an answer")["targets"][0]["expr"])
    trials = {}
    for names in ([], ["old"], ["new", "old"]):
        info = 'macie_account_info{{aws_account_id="alpha",account_name="{}"}}'
        infos = {info.format(name): 1 for name in names}
        series = scraped(infos, invitation("alpha", "Invited", 1))
        marked = f'"as_expected", "yes", "account_name", "{"|".join(names)}"'
        counted = f"count by (as_expected) (label_replace({expr}, {marked}))"
        given = {name: f"{value}x{DAY}" for name, value in series.items()}
        trials[f"names: {names}"] = trial(given, [(counted, {'{as_expected="yes"}': 1})])
    assert failures(promtool, tmp_path, trials) == {}
