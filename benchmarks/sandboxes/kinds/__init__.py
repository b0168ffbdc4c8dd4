"""The kinds of sandbox: each file defines one and registers it; a file more is a kind more."""
