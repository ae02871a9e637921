"""The scene lab: a scan and a sentence become an object."""
