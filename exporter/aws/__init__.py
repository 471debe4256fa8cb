"""All that is known of AWS's API: credentials, one call for every service, answers and errors.

The only package that may import boto3, botocore and aiohttp; of ours it uses the settings' values,
the model and what stands below them.
"""
