"""What the tests of faults share with those of the AWS package."""

from tests.aws.conftest import aws_environment, patient

__all__ = ["aws_environment", "patient"]
