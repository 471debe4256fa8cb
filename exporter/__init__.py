"""Prometheus exporter for the Amazon Macie invitations that AWS accounts have received."""

__version__ = "0.1.0"
