"""From flags, environment and file to the tree of settings, or to every reason why not, at once.

Flags over environment over file make one tree of text here, and pydantic-settings reads that. Its
own sources break promises: its command line stops at the first mistake, lets the last of two equal
flags win and takes no `=false` for a switch; its environment ignores what it does not know at the
top (MACIE_EXPORTER_POLL_INTERVAL); its YAML reads 012345678901 as another number; its merging hides
a broken section of the file behind a flag for one of its keys; and none says where a value is from.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path as FilePath
from typing import Any

from pydantic import ValidationError
from pydantic_settings import InitSettingsSource

from exporter.files import read_whole
from exporter.settings import checks
from exporter.settings.errors import ConfigurationError, Problem, message, show
from exporter.settings.fields import AUTO
from exporter.settings.keys import KEYS, may_hold_secret, named
from exporter.settings.sources import PREFIX, Sources, unknown_key
from exporter.settings.tree import Settings
from exporter.settings.yaml import Tree, read_yaml

_SERVICE_LINK = re.compile(r"(?:SERVICE_(?:HOST|PORT(?:_.+)?)|PORT(?:_[0-9]+_.+)?)")
"""What Kubernetes sets beside, in pods next to a Service of the name `macie-exporter`."""

LARGEST_FILE = 64 * 1024 * 1024
"""Bytes of the configuration file: ten thousand accounts are 2 MiB."""

_FILE, _INDEX, _REGIONS = ("config", "file"), ("shard", "index"), ("aws", "regions")
_NO_REGION = (
    "not set, and the AWS environment names no region: set one, as in --aws.regions=eu-west-1 or "
    "AWS_REGION=eu-west-1"
)
_EMPTY = "is empty; to have the defaults, write {}"
_ORDINAL = re.compile(r".*-([0-9]+)", re.ASCII)


def load(
    flags: Iterable[tuple[str, str]], environ: Mapping[str, str], region: str | None = None
) -> Settings:
    """Load the settings: flags, as (dotted kebab-case name, text), over environment over file.

    `region` is that of the AWS environment, for accounts without one of their own. Empty, it is an
    error if any account needs it, and nothing else is wrong; None leaves such accounts without.

    Raises ConfigurationError with everything that is wrong.
    """
    sources, settings = read_sources(flags, environ), None
    lacks_region = region is not None and checks.needs_region(sources)
    if lacks_region and region:
        sources.put(_REGIONS, [region], "the AWS environment")
    problems = [*sources.problems, *checks.problems(sources)]
    try:
        settings = Settings(_build_sources=((InitSettingsSource(Settings, sources.tree),), {}))
    except ValidationError as error:
        problems += _refused(error, sources)
    if lacks_region and not region and not problems:
        # Alone: whoever looks at a file elsewhere than where it is to run has none, and knows it.
        problems = [Problem(_REGIONS, _NO_REGION)]
    if settings is None or problems:
        # Not from pydantic's error: it holds every value, secrets included.
        raise ConfigurationError(map(str, problems))
    return settings


def read_sources(flags: Iterable[tuple[str, str]], environ: Mapping[str, str]) -> Sources:
    """Read all there is; what cannot be read is among the problems."""
    given = [
        *_variables(environ),
        *((tuple(name.replace("-", "_").split(".")), text, f"--{name}") for name, text in flags),
    ]
    files = [(text, origin) for path, text, origin in given if path == _FILE]
    sources = _file(*files[-1]) if files and files[-1][0] else Sources()
    for path, text, origin in given:
        if text.isascii() or text == text.encode(errors="replace").decode():
            sources.put(path, text, origin)
        else:
            said = "no text: it holds a byte that is no UTF-8"
            sources.problems.append(Problem(path, said, origin=origin))
    if sources.value(*_INDEX) == AUTO:
        _take_ordinal(sources, environ.get("POD_NAME", ""))
    return sources


def _variables(environ: Mapping[str, str]) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Yield the variables with the prefix; `__` nests, and empty means not set."""
    for name, text in sorted(environ.items()):
        rest = name.removeprefix(PREFIX)
        if text and rest != name and not _SERVICE_LINK.fullmatch(rest):
            yield tuple(rest.lower().split("__")), text, name


def _file(path: str, origin: str) -> Sources:
    """Read the configuration file; `origin` is what named it."""
    try:
        content = read_yaml(read_whole(FilePath(path), LARGEST_FILE).decode())
    except OSError as error:
        said = f"cannot read it: {error.strerror}"
    except UnicodeDecodeError:
        said = "not UTF-8 text"
    except ValueError as error:
        said = f"not YAML: {error}"
    else:
        if isinstance(content, dict):
            return _of_file(content, path)
        # An empty one is perhaps being written: to believe it would trust, and poll, others.
        is_empty = content is None
        said = _EMPTY if is_empty else "not a mapping with settings at its top"
    return Sources(problems=[Problem(_FILE, said, show(path), origin)])


def _of_file(content: Tree, path: str) -> Sources:
    given = Sources(_without_nothing(content), {(): path})
    if given.tree.pop("config", None) is not None:
        said = "cannot be set in the file itself"
        given.problems.append(Problem(("config",), said, origin=path))
    return given


def _without_nothing(node: Any) -> Any:  # noqa: ANN401 -- mappings, lists, text and None
    """Leave out keys with nothing behind them: `aws:` with everything below commented out."""
    if isinstance(node, dict):
        return {key: _without_nothing(value) for key, value in node.items() if value is not None}
    return [_without_nothing(item) for item in node] if isinstance(node, list) else node


def _take_ordinal(sources: Sources, pod: str) -> None:
    """Have the ordinal at the end of the pod's name be the number of the shard."""
    if found := _ORDINAL.fullmatch(pod):
        sources.put(_INDEX, found[1], "POD_NAME")
        return
    said = f"is {show(pod)}" if pod else "is not set"
    wanted = "auto needs a pod name that ends in its ordinal, like exporter-0"
    sources.problems.append(Problem(_INDEX, f"{wanted}; POD_NAME {said}"))
    sources.put(_INDEX, "0", "")


def _refused(error: ValidationError, sources: Sources) -> Iterator[Problem]:
    """Word everything that pydantic found wrong, with where it comes from."""
    for detail in error.errors(include_url=False):
        path, origin = detail["loc"], sources.origin(detail["loc"])
        key = KEYS.get(named(path))
        match detail["type"]:
            case "default_factory_not_called":
                pass  # It follows from another.
            case "extra_forbidden":
                yield unknown_key(path, origin)
            case kind:
                is_silent = kind == "missing" or may_hold_secret(path)
                shown = "" if is_silent else show(detail["input"])
                yield Problem(path, message(detail, key.keys if key else ()), shown, origin)
