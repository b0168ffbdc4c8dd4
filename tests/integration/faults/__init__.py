"""Campaigns that are ended at seeded moments, and what they leave behind: nothing."""
