"""The command line's parser, which is argparse's, and its help: made from the settings' tree.

Not pydantic-settings' CliSettingsSource, for the reasons that `exporter.settings.sources` gives.
"""

from argparse import SUPPRESS, ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from inspect import cleandoc
from itertools import groupby
from textwrap import fill
from typing import Any, Literal, get_args, get_origin

from exporter.commands.descriptions import COMMANDS, Command
from exporter.settings.keys import FLAGS, KEYS, Key

NAME = "macie-invitations-exporter"
_WIDTH, _INDENT = 100, 6
_ALIASES = {"web.config-file": ("--web.config.file",)}
"""What every exporter on Prometheus' exporter-toolkit calls it."""

_TRUTH = "true|false"
_FORMS: Mapping[object, str] = {bool: _TRUTH, int: "NUMBER", timedelta: "DURATION"}
_SWITCH: dict[str, Any] = {"nargs": "?", "const": "true"}

_COMMANDS = "\n".join(f"  {name:<8}{command.help}" for name, command in COMMANDS.items())
_ABOUT = f"""\
Prometheus exporter for the Amazon Macie invitations that AWS accounts have received.

commands:
{_COMMANDS}

  {NAME} COMMAND --help
      says what a command does, its own options and its exit codes
  {NAME} --version
      prints the version

Settings are flags, environment variables and keys of a YAML file, the first of these first:
--poll.stale-after=1h, MACIE_EXPORTER_POLL__STALE_AFTER=1h, poll: {{stale_after: 1h}}.
Write lists as a,b or in brackets, accounts as JSON. Defaults are shown in brackets."""

_EXITS = """\
exit codes: 0, 1 if something failed, 2 if a flag or a setting is wrong.
All output is UTF-8, whatever the locale. SIGHUP makes serve and demo load the configuration anew,
and ends the other commands, as closing their terminal does."""


def parser_of(name: str) -> ArgumentParser:
    """Return the parser of a command; for any other name, one that knows the settings alone."""
    command = COMMANDS.get(name)
    parser = ArgumentParser(
        usage=f"{NAME} {name or '[COMMAND]'} [--KEY=VALUE]...",
        description=fill(command.about, _WIDTH) if command else _ABOUT,
        epilog=_epilog(command),
        formatter_class=partial(
            RawDescriptionHelpFormatter, width=_WIDTH, max_help_position=_INDENT
        ),
        argument_default=SUPPRESS,
        add_help=False,
        allow_abbrev=False,
        exit_on_error=False,
    )
    options = parser.add_argument_group("options")
    for each, option in command.options.items() if command else ():
        options.add_argument(
            f"--{each}",
            dest=each,
            action="append",
            metavar=option.value,
            help=option.help,
            **(_SWITCH if option.value == _TRUTH else {}),
        )
    for section, flags in groupby(FLAGS.items(), lambda flag: flag[1].path[0]):
        described = cleandoc(str(getattr(KEYS[section,].field.annotation, "__doc__", "")))
        group = parser.add_argument_group(section, None if command else described)
        for flag, key in flags:
            group.add_argument(
                *(f"--{flag}", *_ALIASES.get(flag, ())),
                dest=flag,
                action="append",
                metavar=_form(key),
                # To read what is said of a setting takes its time: not at every start.
                help=SUPPRESS if command else _help(key),
                **(_SWITCH if key.field.annotation is bool else {}),
            )
    return parser


def default_of(key: Key) -> str:
    """Return the default of a setting as it is written; empty where the help has to say it."""
    match key.default:
        case list() as items:
            return ",".join(items)
        case bool() as switch:
            return str(switch).lower()
        case None:
            return ""
        case other:
            return str(other)


def _help(key: Key) -> str:
    default = default_of(key)
    said = f"{key.description} [{default}]" if default else key.description
    return said.replace("%", "%%")


def _form(key: Key) -> str:
    annotation = key.field.annotation
    if key.is_list:
        return "JSON" if key.keys else "LIST"
    if get_origin(annotation) is Literal:
        return "|".join(get_args(annotation))
    return _FORMS.get(annotation, "TEXT")


def _epilog(command: Command | None) -> str:
    if command is None:
        return f"{_EXITS}\n\n{_examples(*COMMANDS.values())}"
    settings = f"settings (KEY): those of `{NAME} --help`."
    return f"{settings}\nexit code: {command.exits}\n\n{_examples(command)}"


def _examples(*commands: Command) -> str:
    examples = (command.example for command in commands)
    lines = (f"  {NAME} {words}".rstrip() + f"\n      {result}\n" for words, result in examples)
    return f"{'examples' if len(commands) > 1 else 'example'}:\n{''.join(lines)}"
