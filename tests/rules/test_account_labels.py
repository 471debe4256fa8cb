"""Labels of accounts in the alerts about them: the chart's `prometheusRule.accountLabels`."""

import json
from pathlib import Path

from tests.helm.charts import CHART, objects, run
from tests.helm.conftest import require_tool
from tests.rules.rulefile import Case, Trial, failures, needed

ALERT = "MacieUntrustedAdministrator"
SCRAPE = 'job="macie",instance="a:1"'
PAYMENTS, AUDIT = "111122223333", "222233334444"


def series(name: str, values: str, **labels: str) -> dict[str, str]:
    """Return a series of a case."""
    shown = "".join(f',{label}="{value}"' for label, value in labels.items())
    return {"series": f"{name}{{{SCRAPE}{shown}}}", "values": values}


def case() -> Case:
    """Return two accounts with a stranger as administrator; the exporter is down for a while."""
    given = [series("up", "1x9 0x29 1x9")]
    for account in (PAYMENTS, AUDIT):
        target = {"aws_account_id": account, "aws_region": "eu-west-1"}
        accepted = {**target, "relationship_status": "Enabled", "inviter_account_id": "9"}
        given += [
            series("macie_enabled", "1x9 stale _x29 1x9", **target),
            series("macie_untrusted_inviter_timestamp_seconds", "60x9 stale _x29 60x9", **accepted),
        ]
    team = {"label_team": "payments", "label_cost_center": "7"}
    given.append(series("macie_account_info", "1x9 stale", aws_account_id=PAYMENTS, **team))
    given.append(series("macie_account_info", "1x9 stale _x29 1x9", aws_account_id=AUDIT))
    moved = {"label_team": "billing", "label_cost_center": "7"}
    given.append(series("macie_account_info", "_x40 1x9", aws_account_id=PAYMENTS, **moved))
    return {
        "interval": "1m",
        "input_series": given,
        "promql_expr_test": [
            {
                "expr": "count by (aws_account_id, label_team, label_cost_center)"
                f' (ALERTS{{alertname="{ALERT}"}})',
                "eval_time": time,
                "exp_samples": [
                    {
                        "labels": f'{{aws_account_id="{PAYMENTS}",label_team="{owner}",'
                        'label_cost_center="7"}',
                        "value": 1,
                    },
                    {"labels": f'{{aws_account_id="{AUDIT}"}}', "value": 1},
                ],
            }
            for time, owner in (
                ("0m", "payments"),
                ("9m", "payments"),
                ("30m", "payments"),
                ("42m", "billing"),
            )
        ],
    }


def test_alerts_about_an_account_carry_its_labels(promtool: Path, tmp_path: Path) -> None:
    """From the first on, through an outage, and new ones after it; an account without has none."""
    value = json.dumps({"enabled": True, "accountLabels": ["team", "cost-center"]})
    only = ("--show-only", "templates/prometheusrule.yaml")
    flags = ("--set-json", f"prometheusRule={value}")
    (made,) = objects(run(require_tool("helm4"), "template", "a", CHART, *flags, *only))
    (group,) = made["spec"]["groups"]
    tried = needed(ALERT, group["rules"])
    assert failures(promtool, tmp_path, {ALERT: Trial(tried, [case()])}) == {}
    carry = {rule["alert"] for rule in group["rules"] if "group_left (label_team" in rule["expr"]}
    about = {
        rule["alert"]
        for rule in group["rules"]
        if "$labels.aws_account_id" in rule.get("annotations", {}).get("description", "")
    }
    assert carry == about
    assert len(about) == 7
