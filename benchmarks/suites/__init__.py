"""pytest-benchmark suites over the same sandboxes: ``pytest benchmarks --benchmark-json=FILE``."""
