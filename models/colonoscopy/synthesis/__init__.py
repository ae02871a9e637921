"""Frames for a mask: the generators, their training and what they are asked by."""
