"""All configuration: the only reader of the environment and of its file. Frozen once loaded.

It may import what knows nothing of it: the model, and how files are read.
"""

from exporter.settings.errors import ConfigurationError
from exporter.settings.load import load
from exporter.settings.tree import AccountSettings, Settings

__all__ = ["AccountSettings", "ConfigurationError", "Settings", "load"]
