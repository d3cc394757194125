"""What was last heard of every device, and what its cloud is told."""
