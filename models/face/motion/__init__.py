"""From what is heard to how a face moves."""
