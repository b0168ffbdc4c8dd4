"""What to measure: the configuration of a campaign, its presets, order, and estimated time."""
