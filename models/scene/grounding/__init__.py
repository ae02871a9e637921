"""Visual grounding: which object of a scan a sentence means."""
