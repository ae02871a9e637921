"""Whether a mouth moves with its sound."""
