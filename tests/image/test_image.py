"""The image does what it is for within Kubernetes' restricted profile, and holds nothing else."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import botocore
import pytest
import yaml
from botocore.loaders import create_loader

import exporter
from tests import fleets
from tests.embedded_aws.server import EmbeddedAws
from tests.embedded_aws.world import DEFAULT_ROLE
from tests.image.conftest import NAME, REVISION, ROOT, VERSION, Image
from tests.processes import Series

# Whoever asks for an image first builds it.
pytestmark = pytest.mark.timeout(600)

MOST_ADDED = 90_000_000
"""What the image may add to its base: bytes of all layers but that one's, uncompressed."""
ANY_PORT = "--web.listen-address=127.0.0.1:0"


def labels_of(series: Series, name: str) -> list[dict[str, str]]:
    """Return the labels of each series with a name that is not 0."""
    return [dict(labels) for (each, labels), value in series.items() if each == name and value]


def served(image: Image, *words: str, **variables: str) -> Series:
    """Run it until it is ready; return what it shows. SIGTERM ends it in peace."""
    with image.running(*words, ANY_PORT, variables=variables) as container:
        container.wait_until_ready()
        series = container.series()
        assert container.stop() == 0
    (labels,) = labels_of(series, "macie_exporter_build_info")
    assert (labels["version"], labels["revision"]) == (VERSION, REVISION)
    return series


def test_the_demo_runs_within_the_limits(image: Image) -> None:
    """Its organization is polled and served."""
    series = served(image, "demo")
    assert len(labels_of(series, "macie_poll_timestamp_seconds")) == 48
    assert len(labels_of(series, "macie_enabled")) > 40
    assert labels_of(series, "macie_invitations")


def test_it_polls_an_organization_within_the_limits(image: Image) -> None:
    """By every service of AWS that the exporter knows: what botocore lost, it does not need."""
    with EmbeddedAws(fleets.fleet(5)) as aws:
        series = served(
            image,
            "serve",
            **aws.environment(),
            MACIE_EXPORTER_AWS__REGIONS="auto",
            MACIE_EXPORTER_AWS__ORGANIZATION__ROLE_NAME=DEFAULT_ROLE,
            NO_PROXY="*",
        )
    requests = labels_of(series, "macie_exporter_aws_requests_total")
    called = {(labels["service"], labels["operation"]) for labels in requests}
    assert called >= {
        ("account", "ListRegions"),
        ("macie2", "ListInvitations"),
        ("organizations", "ListAccounts"),
        ("sts", "AssumeRole"),
        ("sts", "GetCallerIdentity"),
    }
    accounts = {labels["aws_account_id"] for labels in labels_of(series, "macie_enabled")}
    assert accounts == {fleets.HUB, *fleets.accounts(5)}
    states = labels_of(series, "macie_exporter_targets")
    assert [labels["state"] for labels in states] == ["ok"]


def test_the_image_says_what_it_is_and_how_it_runs(image: Image) -> None:
    """Its entry point is no shell, which would keep SIGTERM; its user is a number, and not 0."""
    assert image.config["Entrypoint"] == ["macie-invitations-exporter"]
    assert image.config.get("Cmd") is None
    assert image.config["User"] == "65532:65532"
    assert list(image.config["ExposedPorts"]) == ["10058/tcp"]
    expected = {
        "version": VERSION,
        "revision": REVISION,
        "licenses": "Apache-2.0",
        "source": f"https://github.com/{NAME.removeprefix('ghcr.io/')}",
    }
    labels = {f"org.opencontainers.image.{name}": text for name, text in expected.items()}
    assert image.config["Labels"].items() >= labels.items()
    told = image.output("macie-invitations-exporter", "--version")
    assert told == f"macie-invitations-exporter {VERSION}\n"


def test_it_adds_little_to_its_base_no_tools_and_no_leftovers(image: Image) -> None:
    """No compiler, no pip, no lists of packages, and nothing of the tests' or the build's."""
    assert sum(image.sizes[1:]) < MOST_ADDED
    programs = {
        path.name
        for folder in ("usr/local/bin", "usr/bin", "usr/sbin", "opt/exporter/bin")
        for path in image.root.glob(f"{folder}/*")
    }
    assert "python3" in programs
    unwanted = {"cc", "gcc", "c++", "g++", "ld", "as", "make", "pip", "pip3", "uv", "hatchling"}
    assert programs & unwanted == set()
    installed = {path.name.partition("-")[0] for path in image.packages.glob("*.dist-info")}
    assert installed & {"pip", "setuptools", "hatchling", "moto", "flask"} == set()
    assert list(image.root.rglob("ensurepip")) == []
    assert list(image.root.rglob("pip-*.whl")) == []
    left = "root/.cache tmp/* src build wheel var/cache/apt/* var/lib/apt/lists/*"
    assert [path for each in left.split() for path in image.root.glob(each)] == []


BYTECODE = """
import json, pathlib, sys
import exporter.daemon, exporter.demo.command
cached = [each.__spec__.cached for each in sys.modules.values() if getattr(each, "__spec__", None)]
def read(path):
    # A .pyc begins with Python's number and then its flags: bit 0 a hash, bit 1 that it is checked.
    return pathlib.Path(path).read_bytes()[4:8] if pathlib.Path(path).exists() else b"none"
found = [(path, read(path).hex()) for path in cached if path and path.endswith(".pyc")]
print(json.dumps([len(found), [each for each in found if each[1] != "01000000"]]))
"""


def test_every_module_that_is_loaded_is_compiled(image: Image) -> None:
    """The standard library's too, and never checked against dates, which do not survive."""
    count, lacking = json.loads(image.output("python3", "-c", BYTECODE))
    assert lacking == []
    assert count > 400


def named(folder: Path, *functions: str) -> Iterator[str]:
    """Return the texts that a package's own code calls some functions with."""
    for path in folder.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(functions):
                texts = [each.value for each in node.args if isinstance(each, ast.Constant)]
                yield from (text for text in texts if isinstance(text, str))


def test_botocore_describes_what_is_called_and_no_more(image: Image) -> None:
    """The exporter's services, and those that botocore asks for credentials."""
    services = set(create_loader().list_available_services("service-2"))
    ours = services & set(named(ROOT / "exporter" / "aws", ".as_self", "partial"))
    creators = ("client_creator", "create_nested_client")
    credentials = services & set(named(Path(botocore.__file__).parent, *creators))
    assert ours == {"account", "macie2", "organizations", "sts"}
    assert credentials >= {"sso", "sso-oidc", "sts"}
    data = image.packages / "botocore" / "data"
    assert {path.name for path in data.iterdir() if path.is_dir()} == ours | credentials
    assert {path.name for path in data.iterdir() if path.is_file()} == {
        path.name for path in (Path(botocore.__file__).parent / "data").iterdir() if path.is_file()
    }


def test_names_and_versions_agree() -> None:
    """Of what is built without arguments, and of what the chart asks for."""
    chart = ROOT / "helm" / "macie-invitations-exporter"
    image = yaml.safe_load((chart / "values.yaml").read_text())["image"]
    assert f"{image['registry']}/{image['repository']}" == NAME
    assert f"ARG VERSION={exporter.__version__}\n" in (ROOT / "Dockerfile").read_text()
    assert f"name={NAME}\n" in (ROOT / "image" / "build").read_text()
