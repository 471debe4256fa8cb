"""From argv to a command, its options and its settings, or to everything that is wrong with it."""

import re
from argparse import ArgumentError
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from exporter.commands.descriptions import COMMANDS
from exporter.commands.parser import parser_of
from exporter.nearest import nearest, suggestion
from exporter.settings import ConfigurationError

DEFAULT = "serve"

Flags = Sequence[tuple[str, str]]
"""Settings as (dotted kebab-case name, text)."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """A command, settings, the command's own options, and what is wrong with any of it."""

    command: str
    flags: Flags = ()
    """Unknown ones are among them."""
    options: Mapping[str, str] = field(default_factory=dict)
    wrong: Sequence[str] = ()

    def listed(self, option: str) -> set[str]:
        """Return an option's words, which stand with commas."""
        words = (word.strip() for word in self.options.get(option, "").split(","))
        return {word for word in words if word}

    def matching(self, option: str, form: str, like: str = "") -> str:
        """Return an option's value, empty where it is not given.

        Raises ConfigurationError for one that does not match the form, a regular expression: words
        to choose from, or something `like` an example.
        """
        value = self.options.get(option, "")
        if value and not re.fullmatch(form, value, re.ASCII):
            *others, last = form.split("|")
            right = f"like {like}" if like else f"{', '.join(others)} or {last}"
            raise ConfigurationError([f"--{option} = {value}: must be {right}"])
        return value


def parse(argv: Sequence[str]) -> Arguments:
    """Return what the command line says, and everything that is wrong with it."""
    command, words = _command(argv)
    known = command in COMMANDS
    own = COMMANDS[command].options if known else {}
    lines = [] if known else [f"{command}: unknown command; {suggestion(command, COMMANDS)}"]
    try:
        found, rest = parser_of(command).parse_known_args(words)
    except ArgumentError as error:
        # Nothing else can be wrong for argparse here, and it stops there.
        return Arguments(command, wrong=[*lines, f"{error.argument_name}: needs a value"])
    given: dict[str, list[str]] = dict(vars(found))
    for word in rest:
        name, _, text = word.removeprefix("--").partition("=")
        if not word.startswith("--"):
            lines.append(f"{word}: unexpected; the command comes first, then --KEY=VALUE")
        elif "." not in name and (close := nearest(name, own)):
            lines.append(f"--{name}: unknown; the nearest is --{close}")
        else:
            given.setdefault(name, []).append(text)
    lines += [f"--{name}: given more than once" for name, texts in given.items() if len(texts) > 1]
    options = {name: given.pop(name)[-1] for name in own if name in given}
    # An empty one does not mean all, as if it were not given: a script's variable may be empty.
    lines += [
        f"--{name}: needs a value, as in --{name}={own[name].value}"
        for name, text in options.items()
        if not text.strip(" ,")
    ]
    return Arguments(command, [(name, texts[-1]) for name, texts in given.items()], options, lines)


def help_of(argv: Sequence[str]) -> str:
    """Return the help of the command in argv, or of all commands."""
    command, words = _command(argv)
    return parser_of(command if command in COMMANDS and words != argv else "").format_help()


def _command(argv: Sequence[str]) -> tuple[str, Sequence[str]]:
    """Return the command and the words after it."""
    return (argv[0], argv[1:]) if argv and not argv[0].startswith("-") else (DEFAULT, argv)
