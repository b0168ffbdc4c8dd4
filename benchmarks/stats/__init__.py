"""Statistics: estimators and intervals, and the simulations that check them."""
