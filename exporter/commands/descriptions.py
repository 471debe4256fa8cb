"""What each command is for, in words: `--help`, and docs/cli.md, are made of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Option:
    """An option of one command: the form of its value, and what it means."""

    value: str
    help: str


@dataclass(frozen=True, slots=True)
class Command:
    """What there is to know of a command: an example is words and result, options are by name."""

    help: str
    about: str
    exits: str
    example: tuple[str, str]
    options: Mapping[str, Option] = field(default_factory=dict)


COMMANDS: Mapping[str, Command] = {
    "serve": Command(
        "poll in the background and serve the metrics (the default)",
        "Polls every target at poll.interval and answers on web.listen-address. SIGHUP loads the "
        "configuration anew; SIGTERM and SIGINT end it. The log goes to standard error.",
        "0 when it was told to stop, 1 if the address is taken.",
        ("", "serve the account and region of the AWS set-up on http://localhost:10058/"),
    ),
    "once": Command(
        "poll everything once and print the metrics",
        "Prints on standard output what /metrics would answer after the first round, without "
        "process_* and python_info, so that node_exporter's textfile collector can read it. On a "
        "terminal a bar on standard error shows how far it is.",
        "0 only if every target answered, else 1, and a line on standard error says why.",
        (
            "once --aws.regions=eu-west-1,us-east-1 --log.level=error",
            "the metrics of two regions, without the log",
        ),
    ),
    "check": Command(
        "print the effective configuration and what it means; no network",
        "Prints the configuration that results from flags, environment and file as YAML, with "
        "secrets hidden; then how many targets, series and calls of AWS it means. The web "
        "configuration file is checked with it.",
        "0 if it is right; 2 if not, with everything that is wrong on standard error.",
        ("check --config.file=exporter.yaml", "what is wrong in a file, or what it means"),
        {
            "assume-accounts": Option(
                "NUMBER", "Count so many accounts of the organization, since AWS is not asked."
            )
        },
    ),
    "doctor": Command(
        "try every step for every target, and say what permission is missing",
        "Tries the role of each account, its regions, and its invitations in each region. Where "
        "AWS denies one, it names the missing statement and the policy that it belongs in.",
        "0 if everything works, else 1.",
        (
            "doctor --config.file=exporter.yaml --account=111122223333",
            "find out why one account fails, and what would mend it",
        ),
        {
            "account": Option("ID,...", "Only these accounts. [all]"),
            "region": Option("REGION,...", "Only these regions. [all]"),
            "format": Option("table|json", "How the steps are printed. [table]"),
            "verbose": Option("true|false", "Show every step that worked, too. [false]"),
        },
    ),
    "iam": Command(
        "print the least IAM policies that this configuration needs",
        "Prints the hub's policy (that of the exporter's own role) and the policy and the trust "
        "policy of the role in each account, and both roles as CloudFormation templates and as "
        "Terraform modules. It uses no network.",
        "0 if they could be written.",
        (
            "iam --config.file=exporter.yaml --document=cloudformation",
            "the template of the role in each account, to go into a file",
        ),
        {
            "document": Option(
                "NAME",
                "Print one alone: hub-policy, hub-cloudformation, hub-terraform, member-policy, "
                "trust-policy, cloudformation or terraform. [all]",
            ),
            "hub-principal": Option(
                "ARN",
                "The role that the exporter runs as, or its account's id. Without it a placeholder "
                "stands there.",
            ),
            "organization-id": Option("o-…", "Trust the hub only within this organization."),
        },
    ),
    "demo": Command(
        "run on an AWS of its own; no credentials needed",
        "Serves an organization of made-up accounts, in which invitations come and go and some "
        "accounts fail on purpose, each for another reason. Its AWS is on loopback only, and it "
        "takes nothing of your AWS set-up; it answers on web.listen-address, by default on every "
        "interface. Settings are passed on. It prints a command that runs doctor on it; once works "
        "the same way. Of what is there at first, only warnings are logged at level info.",
        "That of the exporter.",
        ("demo --web.listen-address=127.0.0.1:8080", "for this machine alone, on another port"),
    ),
}
