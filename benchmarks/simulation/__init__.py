"""Simulations that check the project's statistics against what they promise; no host is measured.

``python -m benchmarks.simulation`` prints the tables of docs/statistics.md. Every
figure comes from the functions that campaigns and reports call themselves, never from a copy.
"""
