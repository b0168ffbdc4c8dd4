"""Ids of the host for containers, and what an ordinary user may do."""
