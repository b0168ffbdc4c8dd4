"""Hold what a report says as plain data, and count it from a run's samples."""
