"""The tare command: the only place that knows every part."""

from importlib import metadata

# None, whatever its type says, where a folder of metadata on the way is empty
__version__ = metadata.version("tarebench") or "unknown"
