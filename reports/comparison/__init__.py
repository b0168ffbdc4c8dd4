"""Compare two runs of one host: what is worse, better, equal or undecided."""
