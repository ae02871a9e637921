"""Which methods of visual grounding are trained to be compared, and for how long."""

from models.scene.grounding.registry import GROUNDERS

RIVALS = tuple(name for name in GROUNDERS.shipped if name != GROUNDERS.default)
STEPS = 1500  # of every method: some 25 minutes of one core
