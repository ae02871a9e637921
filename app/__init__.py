"""What a browser sees. Imports the pipelines of models; never torch, never a network."""
