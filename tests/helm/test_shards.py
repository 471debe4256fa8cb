"""A StatefulSet's pods, as processes with their names, share an organization on an embedded AWS."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from tests import fleets
from tests.embedded_aws.server import EmbeddedAws
from tests.embedded_aws.world import DEFAULT_ROLE, World
from tests.helm.charts import CHART, RELEASE, exporter, flags, objects, run, variables, workload
from tests.processes import Series, running

ACCOUNTS = 11


@pytest.fixture(scope="module")
def world() -> World:
    """An organization whose accounts have invitations in every region."""
    return fleets.fleet(ACCOUNTS)


@pytest.fixture(scope="module")
def aws(world: World) -> Iterator[EmbeddedAws]:
    """The embedded AWS that holds it."""
    with EmbeddedAws(world) as embedded:
        yield embedded


def scrapes(helm: Path, aws: EmbeddedAws, shards: int, folder: Path) -> Mapping[str, Series]:
    """Render the chart for so many shards, run its pods, and scrape each once it is ready."""
    folder.mkdir()
    values = folder / "values.yaml"
    settings = {
        "aws": {
            "regions": list(fleets.REGIONS),
            "organization": {"role_name": DEFAULT_ROLE},
        },
        "metrics": {"trusted_inviters": list(fleets.TRUSTED)},
    }
    values.write_text(yaml.safe_dump({"shards": shards, "config": settings}))
    manifests = objects(run(helm, "template", RELEASE, CHART, "--values", values))
    owner = workload(manifests)
    assert (owner["kind"], owner["spec"]["replicas"]) == ("StatefulSet", shards)
    arguments = flags(exporter(owner), manifests, folder)
    names = [f"{owner['metadata']['name']}-{ordinal}" for ordinal in range(shards)]
    with ExitStack() as stack:
        pods = {
            name: stack.enter_context(
                running(aws.environment() | variables(exporter(owner), name), arguments)
            )
            for name in names
        }
        for pod in pods.values():
            pod.wait_until_ready()
        return {name: pod.series() for name, pod in pods.items()}


def targets(series: Series) -> set[tuple[str, str]]:
    """Return the accounts and regions that a pod polls."""
    labels = [dict(each) for name, each in series if name == "macie_poll_success"]
    return {(each["aws_account_id"], each["aws_region"]) for each in labels}


def test_pods_cover_every_target_once_before_and_after_a_change_of_their_number(
    helm4: Path, world: World, aws: EmbeddedAws, tmp_path: Path
) -> None:
    """Together they tell what AWS holds, no two of the same target; only the new pod takes over."""
    everything = {
        (account, region)
        for account in (fleets.HUB, *fleets.accounts(ACCOUNTS))
        for region in fleets.REGIONS
    }
    before = scrapes(helm4, aws, 2, tmp_path / "before")
    after = scrapes(helm4, aws, 3, tmp_path / "after")
    for pods in (before, after):
        polled = [target for series in pods.values() for target in targets(series)]
        assert sorted(polled) == sorted(everything)
        assert all(targets(series) for series in pods.values())
        told = [item for each in pods.values() for item in fleets.of_invitations(each).items()]
        assert len(told) == len(dict(told))
        assert dict(told) == fleets.truth(world, everything)
    for name, series in before.items():
        assert targets(after[name]) <= targets(series)
