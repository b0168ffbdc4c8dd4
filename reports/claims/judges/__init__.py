"""Hold the rules of the claims: each function registers itself by the name of its claim."""
