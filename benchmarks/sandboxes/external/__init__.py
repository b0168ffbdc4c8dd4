"""External programs as sandboxes, each started by a helper process in its own mount namespace."""
