"""Errors of the harness.

BenchmarkError
├── CampaignError      a campaign file or option is wrong
├── RunFolderError     a run folder cannot be read, written or resumed
│   └── RunLockedError another campaign holds it
├── OutputError        a file cannot be written where it was asked for
├── WorkloadError      a workload definition is wrong
├── SandboxError       a sandbox cannot be made or used on this host
│   ├── UnknownSandboxError  no sandbox of that name exists
│   └── UnsuitableHostError  the host lacks what the sandbox needs
└── MeasurementError   one measurement failed; it becomes a sample's status
    └── NotSupportedError    this sandbox cannot be measured so at all

Every message is one plain sentence saying what failed, where, and what to do.
"""


class BenchmarkError(Exception):
    """Root of everything the harness raises on purpose."""


class CampaignError(BenchmarkError):
    """A campaign's definition cannot be used."""


class RunFolderError(BenchmarkError):
    """A run folder cannot be read, written or resumed."""


class RunLockedError(RunFolderError):
    """Another live campaign is running."""


class OutputError(BenchmarkError):
    """A file cannot be written where it was asked for."""


class WorkloadError(BenchmarkError):
    """A workload's definition cannot be used."""


class SandboxError(BenchmarkError):
    """A sandbox cannot be made or used."""


class UnknownSandboxError(SandboxError):
    """No sandbox has the name asked for."""


class UnsuitableHostError(SandboxError):
    """The host lacks what a sandbox needs."""


class MeasurementError(BenchmarkError):
    """One measurement failed; the failure becomes the status of its sample."""

    def __init__(
        self, message: str, *, timed_out: bool = False, out_of_memory: bool = False
    ) -> None:
        """Keep whether the failure was a limit of time or of memory."""
        super().__init__(message)
        self.timed_out = timed_out
        self.out_of_memory = out_of_memory


class NotSupportedError(MeasurementError):
    """A sandbox cannot be measured so at all, which is no failure of it."""
