"""Programs that others wrote, each started by a helper process in a mount namespace of its own."""
