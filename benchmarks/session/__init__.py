"""Carrying out a campaign: opening it, visiting its sandboxes block by block, journaling."""
