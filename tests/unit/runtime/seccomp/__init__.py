"""Filters are evaluated offline, instruction by instruction: read, not believed."""
