"""Which methods of visual grounding are trained to be compared, and for how long."""

from pathlib import Path

from models.core.training import RUNS
from models.scene.grounding.registry import GROUNDERS

RIVALS = tuple(name for name in GROUNDERS.shipped if name != GROUNDERS.default)
STEPS = 5106  # of every method that ships, as many as InstanceRefer learned
# the talk's columns for Nr3D and Sr3D
REFERIT_COLUMNS = ("easy", "hard", "view_dependent", "view_independent", "overall")
SEEDS, SEED_STEPS = 5, 900  # trainings of every method whose spread is measured, and the steps of each


def folder(name: str, seed: int) -> Path:
    """Where a compared network lies, once it is trained from a seed."""
    return RUNS / f"comparison_{name}_{seed}"
