"""Figures of the face lab, each printed and recorded by the command that measured it."""
