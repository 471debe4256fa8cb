"""Grafana dashboards as code: the JSON beside it is made from here by `make dashboards`.

Knows the exporter's metrics, statuses and error codes, and nothing of how they come about.
"""
