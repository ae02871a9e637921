"""What the face lab measures."""
