"""The settings as flags: names, kinds, defaults and help, and how they stand in argv."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from inspect import cleandoc
from itertools import groupby
from textwrap import fill
from typing import Literal, get_args, get_origin

from exporter import durations
from exporter.settings.keys import KEYS, Key, Kind

_INDENT = " " * 6
_OTHER_SPELLINGS = {"web.config.file": "web.config-file"}
"""What every exporter on Prometheus' exporter-toolkit calls it."""

_ASKING = frozenset({"help", "version"})


@dataclass(frozen=True, slots=True)
class Flag:
    """One setting as a flag; `default` is empty where there is none to show."""

    name: str
    kind: str
    default: str
    help: str
    is_switch: bool


@dataclass(frozen=True, slots=True)
class Words:
    """What argv says: flags with their values, everything else, and what is wrong with flags."""

    flags: tuple[tuple[str, str], ...]
    rest: tuple[str, ...]
    problems: tuple[str, ...]


@cache
def flags() -> tuple[Flag, ...]:
    """Give every setting, in the order of the tree."""
    return tuple(
        _flag(key) for key in KEYS.values() if key.kind is not Kind.SECTION and not key.in_list
    )


def read(argv: Iterable[str]) -> Words:
    """Take argv apart. Flags that nobody knows are kept: loading them names the nearest key."""
    known = {flag.name: flag for flag in flags()}
    words = deque(argv)
    given: dict[str, str | None] = {}
    rest, problems = [], []
    while words:
        word = words.popleft()
        name, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") or name in _ASKING:
            rest.append(word)
            continue
        name = name.replace("_", "-")
        name = _OTHER_SPELLINGS.get(name, name)
        text = value if equals else _next_value(known.get(name), words)
        if name in given:
            problems.append(f"--{name}: given more than once")
        elif text is None:
            example = known[name].default or known[name].kind
            problems.append(f"--{name}: needs a value, as in --{name}={example}")
        given[name] = text
    valued = tuple((name, text) for name, text in given.items() if text is not None)
    return Words(valued, tuple(rest), tuple(problems))


def _next_value(flag: Flag | None, words: deque[str]) -> str | None:
    """Take the value of a flag that has none of its own; None where it lacks one."""
    if flag and flag.is_switch:
        return "true"
    if words and not words[0].startswith("--"):
        return words.popleft()
    return None if flag else ""


def flags_help() -> str:
    """Describe every flag, by section, for people."""
    blocks = []
    for section, described in groupby(flags(), lambda flag: flag.name.partition(".")[0]):
        blocks.append(f"{section}: {_described(KEYS[section,])}\n")
        blocks += [_flag_help(flag) for flag in described]
        blocks.append("\n")
    return "".join(blocks)


def _flag_help(flag: Flag) -> str:
    value = f"[={flag.kind}]" if flag.is_switch else f"={flag.kind}"
    default = f" [{flag.default}]" if flag.default else ""
    text = fill(f"{flag.help}{default}", 100, initial_indent=_INDENT, subsequent_indent=_INDENT)
    return f"  --{flag.name}{value}\n{text}\n"


def _described(section: Key) -> str:
    return cleandoc(str(getattr(section.field.annotation, "__doc__", "")))


def _flag(key: Key) -> Flag:
    return Flag(
        key.dotted.replace("_", "-"),
        _kind(key),
        ",".join(_shown(key.field.get_default())),
        " ".join((key.field.description or "").split()),
        key.field.annotation is bool,
    )


def _kind(key: Key) -> str:
    annotation = key.field.annotation
    if key.kind is Kind.SECTIONS:
        return "JSON"
    if key.kind is Kind.LIST:
        return f"{_kind_of_text(get_args(get_args(annotation)[0])[:1])},..."
    if get_origin(annotation) is Literal:
        return "|".join(get_args(annotation))
    if annotation is bool:
        return "true|false"
    return "NUMBER" if annotation is int else _kind_of_text((annotation,))


def _kind_of_text(types: tuple[object, ...]) -> str:
    return "DURATION" if timedelta in types else "TEXT"


def _shown(default: object) -> Iterator[str]:
    match default:
        case tuple():
            for item in default:
                yield from _shown(item)
        case timedelta():
            yield durations.render(default)
        case bool():
            yield str(default).lower()
        case str() | int():
            yield str(default)
        case _:
            # None, or made from other settings: the help says it.
            pass
