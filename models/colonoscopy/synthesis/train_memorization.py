"""What the memory check knows: features of the training frames, and how near to them others come."""

from pathlib import Path

import numpy as np

from models.colonoscopy.data.crops import VIEWS, training_views, views
from models.colonoscopy.data.images import read_pairs
from models.colonoscopy.synthesis.memorization import Memory, features
from models.core.training import save_half

TESTS = ("kvasir_test", "polypgen_C1")


def train(data: Path, out: Path) -> None:
    """Compute the features and save them in fp16; the model card is written by hand."""
    known = training_views(data)[0][::VIEWS]  # the largest view of each frame; the others are parts of it
    rng = np.random.default_rng(0)
    unseen = [
        frame
        for name in TESTS
        for pair in read_pairs(data / "colonoscopy" / name)
        for frame, _ in views(pair.frame, pair.mask, 1, rng)
    ]
    memory = Memory.of(features(list(known)), features(unseen))
    save_half(memory, out)
    print({"known": len(known), "unseen": len(unseen), "usual": memory.usual.float().median().item()})
