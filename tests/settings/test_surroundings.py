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
    ("pod", "index", "said"),
    [
        ("exporter", "exporter", "must be a whole number"),
        ("exporter-", "", "must be a whole number"),
        ("exporter-x1", "x1", "must be a whole number"),
        ("exporter-3", "3", "must be below shard.total (3): counting starts at 0"),
    ],
)
def test_a_pod_without_an_ordinal_of_the_shards(pod: str, index: str, said: str) -> None:
    """It is refused like any other value; more replicas than shard.total are a mistake too."""
    environ = {"POD_NAME": pod}
    assert refused("shard.index=auto", "shard.total=3", environ=environ) == [
        f'shard.index = "{index}" (from the end of POD_NAME): {said}'
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
            "Macie; the nearest is us-east-2 (newer than this release? set "
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
