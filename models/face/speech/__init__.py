"""What is heard in a sound, and text made speech."""
