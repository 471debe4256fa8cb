"""What `--help` says, of all commands and of each: also what docs/cli.md is made of."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from textwrap import fill

from exporter.settings.flags import flags_help

NAME = "macie-invitations-exporter"
_WIDTH = 100


@dataclass(frozen=True, slots=True)
class Option:
    """An option of one command: the form of its value, what it means, its default if it has one."""

    value: str
    help: str
    default: str = ""


@dataclass(frozen=True, slots=True)
class Example:
    """Words behind the program's name, and what comes of them."""

    words: str
    result: str


@dataclass(frozen=True, slots=True)
class Page:
    """What there is to know of a command. Options are by name."""

    help: str
    about: str
    exits: str
    examples: tuple[Example, ...]
    options: Mapping[str, Option] = field(default_factory=dict)


PAGES: Mapping[str, Page] = {
    "serve": Page(
        "poll in the background and serve the metrics (the default)",
        "Polls every target at poll.interval and answers on web.listen-address. SIGHUP loads the "
        "configuration anew; SIGTERM and SIGINT end it. The log goes to standard error.",
        "0 when it was told to stop, 1 if the address is taken.",
        (
            Example(
                "", "serve the account and region of the AWS set-up on http://localhost:10058/"
            ),
            Example("serve --config.file=exporter.yaml", "the same, for what a file says"),
        ),
    ),
    "once": Page(
        "poll everything once and print the metrics",
        "Prints on standard output what /metrics would answer after the first round, without "
        "process_* and python_info: also a file for node_exporter's textfile collector. On a "
        "terminal a bar on standard error shows how far it is.",
        "0 only if every target answered, else 1.",
        (
            Example(
                "once --aws.regions=eu-west-1,us-east-1 --log.level=error",
                "the metrics of two regions, without the log",
            ),
        ),
    ),
    "check": Page(
        "print the effective configuration and what it means; no network",
        "Prints the configuration that results from flags, environment and file as YAML, with "
        "secrets hidden; then how many targets, series and calls of AWS it means.",
        "0 if it is right; 2 if not, with everything that is wrong on standard error.",
        (
            Example(
                "check --config.file=exporter.yaml", "what is wrong in a file, or what it means"
            ),
        ),
    ),
    "doctor": Page(
        "try every step for every target, and say what permission is missing",
        "Tries for each account: its role, its regions, its invitations in each region; and says "
        "which statement of which policy is missing where AWS denies one.",
        "0 if everything works, else 1.",
        (
            Example("doctor --config.file=exporter.yaml", "look at everything"),
            Example(
                "doctor --config.file=exporter.yaml --account=111122223333",
                "find out why one account fails, and what would mend it",
            ),
        ),
        {
            "account": Option("ID,...", "Only these accounts.", "all"),
            "region": Option("REGION,...", "Only these regions.", "all"),
            "format": Option("table|json", "How the steps are printed.", "table"),
        },
    ),
    "iam": Page(
        "print the least IAM policies that this configuration needs",
        "Prints the hub's policy (that of the exporter's own role), the policy and the trust "
        "policy of the role in each account, a CloudFormation template for a StackSet and a "
        "Terraform module. It uses no network.",
        "0 if they could be written.",
        (
            Example(
                "iam --hub-principal=arn:aws:iam::444455556666:role/macie-exporter",
                "everything, with the exporter's role in the trust policy",
            ),
            Example(
                "iam --config.file=exporter.yaml --document=cloudformation",
                "the template alone, to go into a file",
            ),
        ),
        {
            "document": Option(
                "all|hub-policy|member-policy|trust-policy|cloudformation|terraform",
                "Which of them.",
                "all",
            ),
            "hub-principal": Option(
                "ARN", "The role that the exporter runs as. Without it a placeholder stands there."
            ),
            "organization-id": Option("o-…", "Trust the hub only within this organization."),
        },
    ),
    "demo": Page(
        "run on an AWS of its own; no credentials needed",
        "Serves an organization of made-up accounts, in which invitations come and go and some "
        "accounts fail, each for another reason. It speaks to loopback only and takes nothing of "
        "the AWS set-up. Settings are passed on. It says the command with which doctor and once "
        "work on it too. What is there at first is logged at level debug, but for warnings.",
        "That of the exporter.",
        (
            Example("demo", "serve it on http://localhost:10058/"),
            Example(
                "demo --web.listen-address=127.0.0.1:8080", "on another port, for this machine"
            ),
        ),
    ),
}


def overview() -> str:
    """Describe all commands and every setting."""
    commands = "".join(f"  {name:<8}{page.help}\n" for name, page in PAGES.items())
    examples = (page.examples[0] for page in PAGES.values())
    return f"""\
usage: {NAME} [COMMAND] [--KEY=VALUE]...

Prometheus exporter for the Amazon Macie invitations that AWS accounts have received.

commands:
{commands}
  {NAME} COMMAND --help
      says what a command does, its own options and its exit codes

Settings are flags, environment variables and keys of a YAML file, the first of these first:
--poll.stale-after=1h, MACIE_EXPORTER_POLL__STALE_AFTER=1h, poll: {{stale_after: 1h}}.
In flags and variables lists are written a,b or as JSON. Defaults stand in brackets.

{flags_help()}exit codes: 0, 1 if something failed, 2 if a flag or a setting is wrong.
All output is UTF-8, whatever the locale. SIGHUP has serve and demo load the configuration anew; the
other commands it ends, as when their terminal is closed.

examples:
{_examples(examples)}"""


def of_command(name: str) -> str:
    """Describe one command."""
    page = PAGES[name]
    own = " [--OPTION=VALUE]..." if page.options else ""
    options = "".join(_option(each, option) for each, option in page.options.items())
    return f"""\
usage: {NAME} {name}{own} [--KEY=VALUE]...

{fill(page.about, _WIDTH)}

{f"options:{chr(10)}{options}{chr(10)}" if options else ""}\
settings (KEY): those of `{NAME} --help`.
exit code: {page.exits}

examples:
{_examples(page.examples)}"""


def _option(name: str, option: Option) -> str:
    default = f" [{option.default}]" if option.default else ""
    return f"  --{name}={option.value}\n      {option.help}{default}\n"


def _examples(examples: Iterable[Example]) -> str:
    lines = ((f"{NAME} {each.words}".rstrip(), each.result) for each in examples)
    return "".join(f"  {line}\n      {result}\n" for line, result in lines)
