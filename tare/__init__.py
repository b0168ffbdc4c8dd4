"""The tare command: the only place that knows every part."""

from importlib import metadata

__version__ = metadata.version("tarebench")
