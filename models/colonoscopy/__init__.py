"""The colonoscopy lab: a drawn polyp mask becomes synthetic frames."""

from models.colonoscopy.synthesis.registry import GENERATORS

# What can be asked for, here because it is shown before any network is loaded.
MODELS = tuple(GENERATORS.shipped)  # beside those that a person imported
SAMPLERS = ("dpm", "ddim")
MAX_STEPS = 1000  # of a sampler
LOOKS = ("kvasir", "clinicdb", "polypgen", "bkai", "any")
TOO_NEAR = 1.0  # the percentile of real frames' distances below which a drawn one counts as remembered
