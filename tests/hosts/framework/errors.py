"""What can go wrong before a test's own command runs, each one sentence.

HostError
├── ToolMissingError      this machine lacks a program
├── PreparationError      a disk could not be prepared
├── BootError             a host did not boot, or ended
└── CommandError          a command on a host failed, and was not expected to
"""


class HostError(Exception):
    """An ordinary host could not be had."""


class ToolMissingError(HostError):
    """A program of the machine the tests run on is missing."""


class PreparationError(HostError):
    """A disk could not be prepared."""


class BootError(HostError):
    """A host did not boot, or ended early."""


class CommandError(HostError):
    """A command on a host ended with another status than 0."""
