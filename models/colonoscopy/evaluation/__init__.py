"""Figures of the colonoscopy lab, each printed and recorded by the command that measured it."""
