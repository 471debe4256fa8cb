"""The `demo` command: a believable organization on a small AWS of its own, and the exporter on it.

It knows of the exporter only how it is started, and Macie's words for statuses.
"""
