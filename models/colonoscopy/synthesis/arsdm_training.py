"""The paper's three models from one base: SDM's own loss, the adaptive loss, and with the refinement ArSDM.

All see the same base and the same number of further steps, with the same frames in the same order, so that
what differs between them is their loss. It is the paper's schedule too: its refinement starts from a trained
model.
"""

from functools import partial
from pathlib import Path

from torch import nn

from models.colonoscopy.segmentation import small
from models.colonoscopy.synthesis.cascade import BaseSdm
from models.colonoscopy.synthesis.training import BASE_RUN, BaseLosses, batches, small_frames
from models.colonoscopy.synthesis.whole_frames import training_frames
from models.core.training import averaged, first_alone, fit

NAMES = ("sdm", "adaptive", "arsdm")
GUIDE = "polyps_guide"  # never the one that the figures are made with
STEPS = 300
RATE = 3e-4


def train_further(name: str, data: Path) -> nn.Module:
    """One of NAMES, STEPS on from the average of runs/BASE_RUN, in runs/cascade_NAME; the averaged network.

    Steps and not minutes, because what the models differ in must not be their number.
    """
    with first_alone():
        rows = small_frames(training_frames(data))
    segment = small.load(GUIDE).requires_grad_(False) if name == "arsdm" else None
    network, done = fit(
        f"cascade_{name}",
        averaged(BASE_RUN, BaseSdm()),
        partial(batches, rows),
        BaseLosses(adaptive=name != "sdm", segment=segment),
        rate=RATE,
        steps=STEPS,
        seed=1,
    )
    print(name, done, flush=True)
    return network
