"""Estimators and intervals, and the simulations that check them."""
