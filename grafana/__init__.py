"""Grafana dashboards as code: the JSON in the chart is made from here by `make dashboards`.

Knows the exporter's metrics, statuses and error codes, and nothing of how they come about.
"""
