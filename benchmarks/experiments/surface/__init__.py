"""The attack surface: which of the host's system calls a sandbox makes, and which it may make.

``measure`` looks at one running instance. Calls made are counted by the host's tracepoints, calls
allowed by a forked scan; each number says its method, and the methods are never mixed.
"""

from benchmarks.experiments.surface.experiment import METHODS, AttackSurface
from benchmarks.experiments.surface.measure import HasProcesses, Surface, measure
from benchmarks.experiments.surface.trace import clean, leftovers

__all__ = ["METHODS", "AttackSurface", "HasProcesses", "Surface", "clean", "leftovers", "measure"]
