"""The trainings of the synthesis by name: the autoencoder, a base, and from it the three models that ship.

The three see the same base and the same number of further steps, with the same frames in the same order,
so that what differs between them is their loss. It is the paper's schedule too: its refinement starts
from a trained model.
"""

from pathlib import Path

from models.colonoscopy.data.crops import training_views
from models.colonoscopy.segmentation import small
from models.colonoscopy.synthesis.latent_sdm import SHIPPED, SHIPPED_LDM, LatentSdm
from models.colonoscopy.synthesis.patch_training import (
    DiffusionLosses,
    autoencoder_of,
    averaged,
    train_base,
    train_further,
)
from models.colonoscopy.synthesis.train_decoder import NAME as AUTOENCODER
from models.colonoscopy.synthesis.train_decoder import train_repair

NAMES = ("autoencoder", "base", "sdm", "adaptive", "arsdm", "ldm")
GUIDE = "polyps_guide"  # never the one that the figures are made with
BASE = "colonoscopy_base"


def train(name: str, data: Path, minutes: float, out: Path) -> None:
    """Train one of NAMES, resuming its run, and save the averaged network in fp16 to `out`.

    minutes: of "autoencoder", "base" and "ldm" in total; the others take a fixed number of steps and want
    "base" trained before, "arsdm" the autoencoder and the checkpoint of the guiding segmenter too.
    """
    views = training_views(data)
    if name == "autoencoder":
        network = train_repair(views, minutes)
    elif name in ("base", "ldm"):
        config, run = (SHIPPED, BASE) if name == "base" else (SHIPPED_LDM, "colonoscopy_ldm")
        network = train_base(views, autoencoder_of(views), config, run, minutes)
    else:
        autoencoder = autoencoder_of(views)
        segment = None
        if name == "arsdm":
            autoencoder = averaged(AUTOENCODER, autoencoder)
            segment = small.load(GUIDE).requires_grad_(False)
        losses = DiffusionLosses(autoencoder, adaptive=name != "sdm", segment=segment)
        network = train_further(views, losses, averaged(BASE, LatentSdm(SHIPPED)), f"colonoscopy_{name}")
    network.half().save_pretrained(out)  # type: ignore[operator]
