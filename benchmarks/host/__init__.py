"""The host under the measurement: its fingerprint, its condition, its caches, what stays behind."""
