"""Kinds of sandbox: each file defines one and registers it; to add a kind, add a file."""
