"""What comes from around the exporter: the pod's name, and the region of the AWS environment."""

import pytest

from tests.settings.loads import loaded, refused


@pytest.mark.parametrize(
    ("pod", "total", "index"), [("exporter-0", 1, 0), ("macie-2-7", 8, 7), ("a-007", 8, 7)]
)
def test_the_shard_may_be_the_pods_ordinal(pod: str, total: int, index: int) -> None:
    """A StatefulSet's pods end in their number."""
    settings = loaded(
        f"shard.total={total}", environ={"POD_NAME": pod, "MACIE_EXPORTER_SHARD__INDEX": "auto"}
    )
    assert settings.shard.index == index


@pytest.mark.parametrize(
    "pod", ["exporter", "exporter-", "exporter-x1", "exporter-1 ", "exporter-٣"]
)
def test_a_pod_without_an_ordinal(pod: str) -> None:
    """One error for one mistake, and it shows the name; other errors stand beside it."""
    line, other = refused("shard.index=auto", "shard.total=0", environ={"POD_NAME": pod})
    assert line.startswith(
        "shard.index: auto needs a pod name that ends in its ordinal, like exporter-0; POD_NAME is "
    )
    assert other.startswith('shard.total = "0" (from --shard.total): must be')


def test_a_pod_beyond_the_total() -> None:
    """More replicas than shard.total says is a mistake of either; the pod's name is the source."""
    environ = {"POD_NAME": "exporter-3"}
    assert refused("shard.index=auto", "shard.total=3", environ=environ) == [
        'shard.index = "3" (from POD_NAME): must be below shard.total (3): counting starts at 0'
    ]


def test_the_region_of_the_aws_environment_is_the_default() -> None:
    """It is that of everything without a region of its own, and is checked like any other."""
    account = 'aws.accounts=[{"id": "111122223333"}]'
    with_region = 'aws.accounts=[{"id": "111122223333", "regions": ["eu-west-2"]}]'
    assert loaded(region="eu-west-1").aws.regions == ("eu-west-1",)
    assert loaded(account, region="eu-west-1").aws.regions == ("eu-west-1",)
    assert loaded("aws.regions=auto", region="eu-west-1").aws.regions == ("auto",)
    assert loaded(with_region, region="nowhere").aws.regions == ()
    assert loaded(with_region, region="").aws.regions == ()
    assert loaded(account).aws.regions == ()
    assert refused(region="us-east-9") == [
        (
            'aws.regions[0] = "us-east-9" (from the AWS environment): not a region with '
            "Macie; the nearest is us-east-1 (newer than this release? set "
            "aws.allow_unknown_regions to true)"
        )
    ]


WITH_REGION = '{"id": "000000000001", "regions": ["eu-west-1"]}'


@pytest.mark.parametrize(
    "flags",
    [
        (),
        ("aws.regions=",),
        (f'aws.accounts=[{WITH_REGION}, {{"id": "000000000002", "role_name": "r"}}]',),
        (f"aws.accounts=[{WITH_REGION}]", "aws.organization.role-name=r"),
    ],
)
def test_without_any_region_it_says_so(flags: tuple[str, ...]) -> None:
    """It is an error only where something would be polled in no region."""
    [message] = refused(*flags, region="")
    assert message.startswith("aws.regions: not set, and the AWS environment names no region: ")
