"""Visual grounding: which object of a scan a sentence means; InstanceRefer and the methods beside it."""
