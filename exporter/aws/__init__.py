"""All that is known of AWS's API: the only package that may import boto3, botocore and aiohttp."""
