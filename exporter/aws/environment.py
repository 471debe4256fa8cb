"""What the ordinary AWS environment says: its region, and whether it can be used at all."""

from collections.abc import Mapping

import botocore.session
from botocore.exceptions import BotoCoreError


class AwsEnvironmentError(Exception):
    """The AWS environment cannot be used; the message says why."""


def region(environ: Mapping[str, str]) -> str:
    """Give the AWS environment's region, empty where it names none.

    AWS_REGION comes first, as in AWS's other SDKs; boto3 itself reads only AWS_DEFAULT_REGION and
    the profile. Raises AwsEnvironmentError, for example for a profile that does not exist.
    """
    try:
        session = botocore.session.get_session()
        # The profile is read even where a variable names the region: everything else needs it too.
        session.get_scoped_config()
        configured = session.get_config_variable("region")
    except BotoCoreError as error:
        raise AwsEnvironmentError(str(error)) from error
    return environ.get("AWS_REGION") or str(configured or "")
