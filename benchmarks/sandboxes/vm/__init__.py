"""What the VM kinds are made of: accelerator, control groups, instances, variants."""
