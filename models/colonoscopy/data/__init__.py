"""What the lab reads and writes: frames, masks."""
