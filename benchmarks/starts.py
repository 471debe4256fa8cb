"""How long a start takes, beside the import of boto3 alone: both as whole processes."""

import subprocess
import sys
import time
from statistics import median

from benchmarks.processes import endpoint, environment, exporter, single
from benchmarks.timing import Figures


def cost(*, quick: bool) -> Figures:
    """Measure from the start of the process to the first answer on /metrics."""
    runs = 2 if quick else 7
    ours, reference = [], []
    with endpoint(0, 3) as server:
        for _ in range(runs + 1):
            with exporter(server.url, single()) as running:
                ours.append(running.wait_for("/metrics"))
            reference.append(_import_boto3())
    # The first ones filled the machine's caches.
    return {"start_ms": median(ours[1:]) * 1000, "start_boto3_ms": median(reference[1:]) * 1000}


def _import_boto3() -> float:
    began = time.monotonic()
    command = [sys.executable, "-c", "import boto3"]
    subprocess.run(command, check=True, env=environment())  # noqa: S603 -- our own command
    return time.monotonic() - began
