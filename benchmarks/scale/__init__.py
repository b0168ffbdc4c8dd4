"""Measurements of the container runtime: many containers at once, many a second, step by step.

`python -m benchmarks.scale` prints tables, with `--json` one object. Needs root and an image.
"""
