"""Judge the declared claims: a TOML entry each, and where needed a rule in ``judges/``."""
