"""What the memory check knows: features of the training frames, and how near to them others come."""

from pathlib import Path

from models.colonoscopy.data.images import read_pairs
from models.colonoscopy.synthesis.memorization import Memory, features
from models.colonoscopy.synthesis.whole_frames import training_frames, whole
from models.core.training import save_half

# Not ClinicDB's: its test frames are of the training part's own sequences, so they are known, nearly.
UNSEEN = ("kvasir_test", "polypgen_C1")


def train(data: Path, out: Path) -> None:
    """Compute the features and save them in fp16; the model card is written by hand."""
    known = training_frames(data).frames
    unseen = [
        whole(pair.frame, pair.mask).frame
        for name in UNSEEN
        for pair in read_pairs(data / "colonoscopy" / name)
    ]
    memory = Memory.of(features(list(known)), features(unseen))
    save_half(memory, out)
    print({"known": len(known), "unseen": len(unseen), "usual": memory.usual.float().median().item()})
