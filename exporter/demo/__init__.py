"""An embedded AWS with a believable organisation, for the `demo` command and for tests.

It is spoken to over HTTP by ordinary AWS clients (`AWS_ENDPOINT_URL`), verifies their signatures,
and must not know anything of the exporter that reads it.
"""
