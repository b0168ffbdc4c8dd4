"""Campaigns that are ended at seeded moments, and what they leave behind: nothing."""

ROW = "row of the table"
"""What a test records: seed, fault, sandboxes, moment, number of differences."""
