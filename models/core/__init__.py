"""What two labs or more use."""
