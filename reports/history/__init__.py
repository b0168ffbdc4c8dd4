"""Many runs as series over time: where they change, what changed there, and what stands now."""
