"""The objects of a scene as networks read them."""
