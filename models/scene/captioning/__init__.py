"""Dense captioning: a sentence for an object of a scan."""
