"""Parts of the VM sandboxes: accelerator, control groups, instances, variants."""
