"""Grounding in 2D: a sentence is grounded in rendered views of a scan, and the 2D box is lifted by depth.

It stands for the 2D rows of the talk's table 1 (SCRC, One-stage). It proposes a box of its own and chooses no
object, so it is no entry of the registry.
"""
