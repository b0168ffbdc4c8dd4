"""Simulations that hold the project's statistics to what they promise; measures no host.

``python -m benchmarks.simulation`` prints the tables of docs/statistics.md. Every figure
comes from the functions that campaigns and reports call themselves, never from a copy of them.
"""
