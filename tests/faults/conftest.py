"""What the tests of faults share with those of the AWS package."""

from tests.aws.conftest import aws_environment, patient, warm_stage

__all__ = ["aws_environment", "patient", "warm_stage"]
