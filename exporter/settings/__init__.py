"""All configuration: the only reader of the environment and of files. Frozen once loaded."""

from exporter.settings.errors import ConfigurationError
from exporter.settings.load import load
from exporter.settings.tree import AccountSettings, Settings

__all__ = ["AccountSettings", "ConfigurationError", "Settings", "load"]
