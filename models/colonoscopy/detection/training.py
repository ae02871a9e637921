"""Training the detectors of the registry on one encoder that stands still.

It is the encoder of `polyp_pvt`, which has learnt what polyps look like; since it isn't trained, those that
are trained together learn as if each were alone, and see the same frames.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from models.colonoscopy.detection.base import NetworkDetector
from models.colonoscopy.detection.boxes import from_mask, targets
from models.colonoscopy.detection.metrics import Detections, best_threshold, f1
from models.colonoscopy.detection.registry import DETECTORS
from models.colonoscopy.segmentation.joint_training import SMALL, SharedEncoder, each, split
from models.colonoscopy.segmentation.polyp_pvt import PolypPVT
from models.colonoscopy.segmentation.training import Batch, Examples, batches
from models.core.checkpoints import load_checkpoint
from models.core.training import fit

RATE = 4e-4
COARSE = 0.7  # share of the steps with frames of SMALL pixels
CHECKED = 8  # held-out frames that are looked at during training
SEED = 6


def losses(network: nn.Module, batch: Batch, spent: float) -> dict[str, Tensor]:
    """The sum of the networks' own losses. Small frames come first."""
    frames, masks = batch
    wanted = targets(masks)
    if spent < COARSE:
        frames = interpolate(frames, (SMALL, SMALL), mode="bilinear", antialias=True)
    found = {
        name: each(network)[name].losses(given, wanted)
        for name, given in network(frames, learns=False).items()
    }
    return {"loss": torch.stack(list(found.values())).sum(), **found}


def looked_at(network: nn.Module, held: Examples) -> Detections:
    """True and found boxes of a network in frames."""
    detector = NetworkDetector(network)
    return [(from_mask(mask), detector(frame)) for frame, mask in held]


def checked(network: nn.Module, held: Examples) -> str:
    """F1 of each network at its best threshold on frames, for the log."""
    found = {}
    for name, one in each(network).items():
        seen = looked_at(one, held)
        found[name] = round(100 * f1(seen, best_threshold(seen)), 1)
    return json.dumps(found)


def fitted(
    run: str,
    names: Sequence[str],
    encoder: nn.Module,
    known: Examples,
    seed: int,
    steps: int,
    watched: Examples | None = None,
) -> nn.Module:
    """The average of detectors on a copy of an encoder, trained in runs/RUN.

    watched: F1 on these is logged.
    """
    torch.manual_seed(seed)
    network = SharedEncoder({name: DETECTORS[name].kind.shipped() for name in names})
    network.encoder.load_state_dict(encoder.state_dict())
    network.encoder.requires_grad_(False)
    average, done = fit(
        run,
        network,
        lambda seed: batches(known, seed),
        losses,
        rate=RATE,
        steps=steps,
        seed=seed,
        check=(lambda network: checked(network, watched)) if watched else None,
    )
    print(run, done, flush=True)
    return average


def train(data: Path, steps: int, folder: Path, names: Sequence[str]) -> None:
    """Train detectors and save each in fp16 in folder/NAME, with its best threshold on held-out frames."""
    known, held = split(data)
    encoder = load_checkpoint(PolypPVT, "polyp_pvt").backbone
    watched = held[:: max(1, len(held) // CHECKED)]
    average = fitted("_".join(names), names, encoder, known, SEED, steps, watched)
    thresholds = {name: best_threshold(looked_at(one, held)) for name, one in each(average).items()}
    for name, threshold in thresholds.items():
        one = each(average)[name]
        one.half().save_pretrained(folder / name, config={**one._hub_mixin_config, "threshold": threshold})
