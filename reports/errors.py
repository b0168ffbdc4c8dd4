"""Errors of the reports.

ReportError
├── UnknownFormatError  no renderer has the name asked for
├── EmptyRunError       a run has nothing to report on
├── UnusableRunError    a run's description cannot be reported on
└── ReportWriteError    a report cannot be written where it was asked for

An unreadable run folder raises ``benchmarks.errors.RunFolderError``, where it is read.
"""


class ReportError(Exception):
    """Root of everything the reports raise on purpose; the message is one plain sentence."""


class UnknownFormatError(ReportError):
    """No renderer has that name."""


class EmptyRunError(ReportError):
    """The run holds no samples."""


class UnusableRunError(ReportError):
    """The description of a run cannot be reported on."""


class ReportWriteError(ReportError):
    """The report cannot be written."""
