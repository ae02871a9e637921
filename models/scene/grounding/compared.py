"""Which methods of visual grounding are trained to be compared, and for how long."""

from models.scene.grounding.registry import GROUNDERS

RIVALS = tuple(name for name in GROUNDERS.shipped if name != GROUNDERS.default)
STEPS = 400  # of every method, as few as the time of one busy core allows to all of them
