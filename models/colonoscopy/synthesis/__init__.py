"""Diffusion models that draw a frame for a polyp mask: their training and evaluation."""
