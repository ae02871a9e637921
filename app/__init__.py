"""What a browser sees. Imports the pipelines of models; never torch, never a network."""

__version__ = "0.1.0"
