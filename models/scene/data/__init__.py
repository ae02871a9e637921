"""Scans and their files: readers, instances, boxes; and the data folder."""
