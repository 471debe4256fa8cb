"""From argv to a command, its options and its settings, or to everything that is wrong with it."""

import re
from argparse import ArgumentError
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from exporter.commands.descriptions import COMMANDS, Option
from exporter.commands.parser import parser_of
from exporter.settings import ConfigurationError

DEFAULT = "serve"
_FILE = re.compile(r".*\.ya?ml")

Flags = Sequence[tuple[str, str]]
"""Settings as (dotted kebab-case name, text)."""


@dataclass(frozen=True, slots=True)
class Arguments:
    """A command, settings, and the command's own options."""

    command: str
    flags: Flags
    options: Mapping[str, str]

    def listed(self, option: str) -> set[str]:
        """Return an option's words, which stand with commas."""
        words = (word.strip() for word in self.options.get(option, "").split(","))
        return {word for word in words if word}

    def choice(self, option: str, choices: Sequence[str]) -> str:
        """Return an option's value, the first choice where it is not given.

        Raises ConfigurationError for any other.
        """
        value = self.options.get(option, choices[0])
        if value not in choices:
            raise ConfigurationError([f"--{option} = {value}: must be one of {', '.join(choices)}"])
        return value

    def matching(self, option: str, form: str, like: str) -> str:
        """Return an option's value, empty where it is not given.

        Raises ConfigurationError for one that does not match the form, a regular expression.
        """
        value = self.options.get(option, "")
        if value and not re.fullmatch(form, value, re.ASCII):
            raise ConfigurationError([f"--{option} = {value}: must be like {like}"])
        return value


def parse(argv: Sequence[str], wrong: Callable[[Flags], Iterable[str]]) -> Arguments:
    """Return what the command line says; `wrong` says what is wrong with flags as settings.

    Raises ConfigurationError with everything that is wrong; unknown flags are among the flags.
    """
    command, words = _command(argv)
    own = COMMANDS[command].options if command in COMMANDS else {}
    lines = []
    if command not in COMMANDS:
        lines.append(_not_a_command(command))
    try:
        found, rest = parser_of(command).parse_known_args(words)
    except ArgumentError as error:
        # Nothing else can be wrong for argparse here, and it stops there.
        lines.append(f"{error.argument_name}: needs a value")
        raise ConfigurationError([*lines, *wrong(())]) from None
    given: dict[str, list[str]] = dict(vars(found))
    for word in rest:
        name, _, text = word.removeprefix("--").partition("=")
        if word.startswith("--"):
            given.setdefault(name, []).append(text)
        elif word in COMMANDS and command not in argv:
            lines.append(f"{word}: the command comes first")
        else:
            lines.append(_unexpected(word))
    misplaced = {name: line for name in given if (line := _misplaced(name, command, vars(found)))}
    lines += [*_wrong_options(own, given), *misplaced.values()]
    known = {*own, *misplaced}
    flags = [(name, texts[-1]) for name, texts in given.items() if name not in known]
    if lines:
        raise ConfigurationError([*lines, *wrong(flags)])
    return Arguments(command, flags, {name: given[name][-1] for name in own if name in given})


def _wrong_options(own: Mapping[str, Option], given: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for name, texts in given.items():
        if len(texts) > 1:
            yield f"--{name}: given more than once"
    for name, option in own.items():
        # An empty one does not mean all, as if it were not given: a script's variable may be empty.
        if name in given and not given[name][-1].strip(" ,"):
            yield f"--{name}: needs a value, as in --{name}={option.value}"


def _misplaced(name: str, command: str, known: Container[str]) -> str:
    """Return what is wrong with an option that the command does not know; empty for a setting."""
    if name in known:
        return ""
    options = COMMANDS[command].options if command in COMMANDS else {}
    if close := get_close_matches(name, options, 1):
        return f"--{name}: unknown; the nearest is --{close[0]}"
    others = " and ".join(each for each in COMMANDS if name in COMMANDS[each].options)
    return f"--{name}: an option of {others}, not of {command}" if others else ""


def _not_a_command(word: str) -> str:
    if _FILE.fullmatch(word):
        return _unexpected(word)
    close = get_close_matches(word, COMMANDS, 1)
    meant = f"the nearest is {close[0]}" if close else f"there are {', '.join(COMMANDS)}"
    return f"{word}: unknown command; {meant}"


def _unexpected(word: str) -> str:
    if _FILE.fullmatch(word):
        return f"{word}: unexpected; a file is given as --config.file={word}"
    return f"{word}: unexpected; settings are given as --KEY=VALUE"


def help_of(argv: Sequence[str]) -> str:
    """Return the help of the command in argv, or of all commands."""
    command, _ = _command(argv)
    return parser_of(command if command in argv and command in COMMANDS else "").format_help()


def _command(argv: Sequence[str]) -> tuple[str, list[str]]:
    """Return the command and the words after it; underscores of a copied key are dashes."""
    words = [re.sub(r"^--[\w.-]+", lambda name: name[0].replace("_", "-"), word) for word in argv]
    return (words[0], words[1:]) if words and not words[0].startswith("-") else (DEFAULT, words)
