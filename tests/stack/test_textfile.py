"""What `once` prints, given to the textfile collector of the real node_exporter."""

import contextlib
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from tests import fleets
from tests.conftest import require
from tests.docs.documents import ROOT
from tests.embedded_aws.server import EmbeddedAws
from tests.embedded_aws.world import Fault, World
from tests.faulty import free_port
from tests.processes import Series, environment, series_of, until


def written(aws: EmbeddedAws, folder: Path, *flags: str) -> int:
    """Run the shell's words that the documentation gives, for this folder."""
    document = (ROOT / "docs" / "deploy" / "systemd.md").read_text().replace("\\\n", "")
    (words,) = re.findall(r"(?m)^ExecStart=/bin/sh -c '(.*)'$", document)
    program = "/opt/macie-invitations-exporter/bin/macie-invitations-exporter"
    file = "--config.file=/etc/macie-invitations-exporter/exporter.yaml"
    assert f"{program} once {file} " in words
    words = words.replace(program, f"{sys.executable} -m exporter").replace(file, " ".join(flags))
    variables = {**environment(aws.environment()), "RUNTIME_DIRECTORY": "/nowhere"}
    done = subprocess.run(["/bin/sh", "-c", words], cwd=folder, env=variables, check=False)
    return done.returncode


@contextlib.contextmanager
def node_exporter(folder: Path) -> Iterator[Callable[[], Series]]:
    """Run node_exporter with that collector alone; gives what scrapes it."""
    address = f"127.0.0.1:{free_port()}"
    collector = ["--collector.disable-defaults", "--collector.textfile"]
    flags = [f"--web.listen-address={address}", f"--collector.textfile.directory={folder}"]
    program = require("prometheus-node-exporter")
    process = subprocess.Popen([program, *collector, *flags], stderr=subprocess.DEVNULL)

    def scrape() -> Series:
        with urllib.request.urlopen(f"http://{address}/metrics", timeout=30) as response:
            return series_of(response.read().decode())

    def answers() -> bool:
        with contextlib.suppress(urllib.error.URLError):
            return bool(scrape())
        return False

    try:
        until(answers, "node_exporter")
        yield scrape
    finally:
        process.terminate()
        process.wait(30)


def test_node_exporter_takes_the_file(tmp_path: Path) -> None:
    """All of it, and none of it has a name that node_exporter itself uses."""
    with EmbeddedAws(World(fleets.HUB, regions=fleets.REGIONS)) as aws:
        assert written(aws, tmp_path) == 0
    ours = series_of((tmp_path / "macie.prom").read_text())
    assert {name.partition("_")[0] for name, _ in ours} == {"macie"}
    with node_exporter(tmp_path) as scrape:
        scraped = scrape()
    assert scraped["node_textfile_scrape_error", frozenset()] == 0
    # Bounds of buckets are written in another way: 10.0 here is 10 there.
    numbers = {(name, labels): x for (name, labels), x in ours.items() if "le" not in dict(labels)}
    assert numbers.items() <= scraped.items()
    assert {name for name, _ in ours} <= {name for name, _ in scraped}


def test_the_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    """By a run in which targets failed, which the metrics say; not by one that printed nothing."""
    world = World(fleets.HUB, regions=fleets.REGIONS)
    with EmbeddedAws(world) as aws:
        world.fail(fleets.HUB, aws.environment()["AWS_REGION"], Fault(403, "AccessDenied", "no"))
        assert written(aws, tmp_path) == 0
        failed = (tmp_path / "macie.prom").read_bytes()
        assert b"\nmacie_poll_error_info{" in failed
        assert written(aws, tmp_path, "--poll.interval=1s") != 0
    assert (tmp_path / "macie.prom").read_bytes() == failed
