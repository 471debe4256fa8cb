"""Commands in the documents: run where that is possible here, else held to who knows them.

The exporter's run against the embedded AWS, Helm's as `helm template`, requests against a running
exporter. AWS's are held to its models; what would change this machine, to what it names.
"""

import re
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import dropwhile, pairwise
from pathlib import Path
from urllib.parse import urlsplit

import botocore.session
import jmespath  # type: ignore[import-untyped]  # its stubs are a package of their own
import pytest
from botocore import xform_name

from exporter import __version__
from tests import inprocess, processes
from tests.conftest import require
from tests.docs.documents import CHART, REPOSITORY, ROOT, Block, Command, blocks, commands
from tests.helm.charts import Manifest, helm_answers, objects, of_kind, rendered, run
from tests.helm.conftest import require_tool
from tests.stories import begin, told

NAME = "macie-invitations-exporter"
PUBLISHED = f"oci://ghcr.io/{NAME}/charts/{NAME}"
IMAGE = f"ghcr.io/{NAME}/{NAME}:{__version__}"


@dataclass(frozen=True, slots=True)
class Stage:
    """Where commands run: an AWS, an exporter that polls it, and an empty folder."""

    aws: Mapping[str, str]
    exporter: processes.Exporter
    folder: Path


@pytest.fixture(scope="module")
def polled() -> Iterator[Stage]:
    """The demo's organization, and an exporter that has polled it."""
    with told(begin()) as variables:
        aws = {name: value for name, value in variables.items() if not name.startswith("MACIE_")}
        with processes.running(variables, ["--web.enable-lifecycle=true"]) as exporter:
            exporter.wait_until_ready()
            yield Stage(aws, exporter, Path())


@pytest.mark.parametrize("command", commands(), ids=str)
def test_commands(command: Command, polled: Stage, tmp_path: Path) -> None:
    """Each program is one that somebody here answers for, and does as it is told."""
    _files(command, tmp_path)
    words = command.words[1:] if command.words[0] == "sudo" else command.words
    words = (*dropwhile(lambda word: re.match(r"[A-Z_]+=", word), words),)
    PROGRAMS[Path(words[0]).name](words[1:], replace(polled, folder=tmp_path))


def _files(command: Command, folder: Path) -> None:
    """Write the files that the document shows, the nearest before the command or else after it."""

    def nearness(block: Block) -> tuple[bool, bool, int]:
        own = block.document == command.block.document
        before = own and block.line < command.block.line
        return own, before, block.line if before else -block.line

    for block in sorted((each for each in blocks("yaml") if each.name), key=nearness):
        (folder / block.name).write_text(block.text)


def _exporter(words: Sequence[str], stage: Stage) -> None:
    """Run it; what serves is started, and becomes ready."""
    here = [re.sub("^(--config.file=)(.*/)?", rf"\1{stage.folder}/", word) for word in words]
    if not here or here[0] == "serve" or here[0].startswith("--"):
        flags = here[1:] if here[:1] == ["serve"] else here
        with processes.running(stage.aws, flags) as exporter:
            exporter.wait_until_ready()
        return
    done = inprocess.command(stage.aws, *here)
    # The demo's AWS need not have what a document's configuration names: that is an answer too.
    assert done.returncode in ({0, 1} if here[0] in {"doctor", "once"} else {0}), done.stderr
    assert done.stdout


def _helm(words: Sequence[str], stage: Stage) -> None:
    """Render what would be installed; other commands know their flags."""
    helm = require_tool("helm4")
    if words[0] in {"install", "upgrade"}:
        place = {PUBLISHED: str(CHART), f"{NAME}-{__version__}.tgz": str(CHART)}
        # Values are a file that the document shows, or one that the repository has.
        place |= {x: str(ROOT / x) for x in words if (ROOT / x).is_file()}
        place |= {x: str(stage.folder / x) for x in words if (stage.folder / x).is_file()}
        rest = [place.get(word, word) for word in words[1:] if word != "--install"]
        assert objects(run(helm, "template", *rest))
        return
    known = helm_answers(helm, words[0], "--help").stdout
    assert "Usage:" in known
    assert [word for word in words if word.startswith("--") and word not in known] == []


def _kubectl(words: Sequence[str], stage: Stage) -> None:
    """Name objects that the chart makes, themselves or by label; run what is executed in a pod."""
    assert words[:2] == ("-n", "security") or "-A" in words
    made = _made()
    named = {word for word in words if re.match(r"[a-z]+/", word)}
    assert named <= {f"{each['kind'].lower()}/{each['metadata']['name']}" for each in made}
    for verb, kinds in pairwise(words):
        if verb in {"describe", "get"}:
            known = {each["kind"].lower() for each in made}
            assert {kind.removesuffix("s") for kind in kinds.split(",")} <= known
        if verb == "-l":
            label, _, value = kinds.partition("=")
            assert value in {each["metadata"]["labels"].get(label) for each in made}
    if "--" in words:
        program, *inner = words[words.index("--") + 1 :]
        assert program == NAME
        _exporter(inner, stage)


def _made() -> list[Manifest]:
    """Return what the chart makes of one replica and of several, and the pods of each."""
    helm, cases = require_tool("helm4"), ("organization", "podmonitor", "shards")
    made = [each for case in cases for each in objects(rendered(helm, case))]
    pods = [each["spec"]["template"] for each in of_kind(made, "Deployment", "StatefulSet")]
    named = [{"kind": "Pod", "metadata": {"name": "", **each["metadata"]}} for each in pods]
    return [*made, *named]


def _aws(words: Sequence[str], _: Stage) -> None:
    """Call an operation with parameters that it has, and all that it must have."""
    service, command, *rest = words
    model = botocore.session.get_session().get_service_model(service)
    operations = {xform_name(name, "-"): name for name in model.operation_names}
    shape = model.operation_model(operations[command]).input_shape
    assert shape is not None
    given = {word.removeprefix("--") for word in rest if word.startswith("--")}
    assert given - {"max-items", "query", "region"} <= {
        xform_name(name, "-") for name in shape.members
    }
    assert given >= {xform_name(name, "-") for name in shape.required_members}
    if "--query" in rest:
        jmespath.compile(rest[rest.index("--query") + 1])


def _curl(words: Sequence[str], stage: Stage) -> None:
    """Ask the running exporter."""
    address = urlsplit(words[-1])
    assert (address.scheme, address.netloc) == ("http", "localhost:10058")
    headers = dict(words[at + 1].split(": ", 1) for at, word in enumerate(words) if word == "-H")
    method = words[words.index("-X") + 1] if "-X" in words else "GET"
    path = f"{address.path}?{address.query}" if address.query else address.path
    assert stage.exporter.request(path, method, headers=headers).status == 200


def _filter(program: str) -> Callable[[Sequence[str], Stage], None]:
    """Have a program find, sort or cut lines: of what the API answers, the metrics, or events."""

    def run_it(words: Sequence[str], stage: Stage) -> None:
        if program == "jq":
            answer = stage.exporter.request("/api/v1/targets?state=failing&state=stale")
            text = answer.body.decode()
        else:
            sources = "".join(path.read_text() for path in ROOT.glob("exporter/**/*.py"))
            events = [f"event={name}\n" for name in re.findall(r'"(\w+)', sources)]
            text = stage.exporter.metrics() + "".join(events)
        assert subprocess.check_output([require(program), *words], input=text, text=True)

    return run_it


def _docker(words: Sequence[str], stage: Stage) -> None:
    """Run the published image with the exporter's words; all else is as it has to be written."""
    if words[0] != "run":
        _written("docker")(words, stage)
    elif (rest := words[words.index(IMAGE) + 1 :]) and rest != ("demo",):
        _exporter(rest, stage)


def _make(words: Sequence[str], _: Stage) -> None:
    """Make what the Makefile makes."""
    assert re.search(rf"^{words[0]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


def _python(words: Sequence[str], stage: Stage) -> None:
    """Run the exporter from the checkout, or install locks that are there."""
    if words[:2] == ("-m", "exporter"):
        return _exporter(words[2:], stage)
    assert words[0] == "requirements/install.py"
    for lock in words[1:]:
        assert "--hash=" in (ROOT / lock).read_text()
    return None


WRITTEN: Mapping[str, str] = {
    "apt": rf"install \./{NAME}_{__version__}~py3\d+_(amd64|arm64)\.deb",
    "cd": NAME,
    "cosign": f"verify {IMAGE} --certificate-oidc-issuer https://token.actions.githubusercontent.com"
    rf" --certificate-identity-regexp \^{REPOSITORY}/\.github/workflows/release\.yml@refs/tags/v",
    "docker": r"compose --file \S+ up --build"
    rf"|(pull|push|tag)( (ghcr\.io|registry\.example:5000)/{IMAGE.partition('/')[2]})+",
    "git": f"clone {REPOSITORY}",
    "install": rf"-d /etc/{NAME}|-m 0644 exporter\.yaml /etc/{NAME}/"
    rf"|-m 0644 deploy/{NAME}\.service /etc/systemd/system/",
    "journalctl": rf"--unit {NAME} --lines \d+",
    "pip": r"install --no-deps --no-build-isolation \.|download .* requirements/runtime\.txt",
    "pipx": f"install {NAME}",
    "python3": f"-m venv /opt/{NAME}",
    "sudoedit": f"/etc/{NAME}/exporter.yaml",
    "systemd-analyze": r"security --offline=true --threshold=\d+ deploy/\S+",
    "systemctl": f"daemon-reload|(enable --now|status) {NAME}",
}
"""What would change this machine, or ask others, as it has to be written."""


def _written(program: str) -> Callable[[Sequence[str], Stage], None]:
    """Hold a command to how it has to be written; files of the checkout that it names exist."""

    def check(words: Sequence[str], _: Stage) -> None:
        said = " ".join(words).replace("\\", "")
        assert re.fullmatch(WRITTEN[program], said)
        files = re.findall(r"(?:\.github|deploy|examples|requirements)/[\w./-]+", said)
        assert [file for file in files if not (ROOT / file).is_file()] == []

    return check


PROGRAMS: Mapping[str, Callable[[Sequence[str], Stage], None]] = {
    **{program: _written(program) for program in WRITTEN},
    **{program: _filter(program) for program in ("grep", "head", "jq", "sort", "uniq")},
    NAME: _exporter,
    "aws": _aws,
    "curl": _curl,
    "docker": _docker,
    "helm": _helm,
    "kubectl": _kubectl,
    "make": _make,
    "python": _python,
}


def test_commands_are_found() -> None:
    """That they all work is not for want of them, and no program is answered for in vain."""
    assert {Path(word).name for each in commands() for word in each.words[:3]} >= {*PROGRAMS}
