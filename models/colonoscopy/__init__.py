"""The colonoscopy lab: a drawn polyp mask becomes synthetic frames."""

# What can be asked for, here because it is shown before any network is loaded.
SAMPLERS = ("dpm", "ddim")
MAX_STEPS = 1000  # of a sampler
LOOKS = ("kvasir", "clinicdb", "polypgen", "bkai", "any")
TOO_NEAR = 1.0  # the percentile of real frames' distances below which a drawn one counts as remembered
MOVES = ("still", "forward", "back", "left", "right", "around")  # of a film's camera
MASKLESS = ("pvdm", "lvdm")  # those that make films and know no mask
