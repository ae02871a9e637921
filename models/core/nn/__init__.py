"""Layers and networks that two labs or more use."""
