"""How the container runtime behaves in numbers: many at once, many a second, and step by step.

`python -m benchmarks.scale` prints tables, with `--json` one object. Needs root and an image.
"""
