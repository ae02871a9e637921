"""Which methods of visual grounding are trained to be compared, and for how long."""

from models.scene.grounding.registry import GROUNDERS

RIVALS = tuple(name for name in GROUNDERS.shipped if name != GROUNDERS.default)
STEPS = 5106  # of every method, as many as the shipped InstanceRefer learned
