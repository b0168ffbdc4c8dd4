"""Knowing and removing what a crash left behind."""
