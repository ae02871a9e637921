"""Frames and masks: reading, cropping, exporting; and the test sets."""
