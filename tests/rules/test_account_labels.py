"""Labels of accounts in the alerts about them: the chart's `prometheusRule.accountLabels`."""

from pathlib import Path

from tests.rules.rulefile import HERE, Trial, failures, needed, read_cases, rendered_rules

ALERT = "MacieUntrustedAdministrator"


def test_alerts_about_an_account_carry_its_labels(promtool: Path, tmp_path: Path) -> None:
    """From the first on, through an outage, and new ones after it; an account without has none."""
    made = rendered_rules(accountLabels=["team", "cost-center"])
    trial = Trial(needed(ALERT, made), read_cases(HERE / "labels" / f"{ALERT}.yaml"))
    assert failures(promtool, tmp_path, {ALERT: trial}) == {}
    carry = {rule["alert"] for rule in made if "group_left (label_team" in rule["expr"]}
    about = {
        rule["alert"]
        for rule in made
        if "$labels.aws_account_id" in rule.get("annotations", {}).get("description", "")
    }
    assert carry == about
    assert len(about) == 7
