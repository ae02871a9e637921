"""Training the segmenters of the registry that can share an encoder together: PraNet, SANet, Polyp-PVT.

Most of a step is the encoder; networks that share it while they learn cost little more than one. It
stands still until the decoders have found it useful. Each network is saved whole, with its copy of the
encoder. What is held out is watched and chosen on: no test set is.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from models.colonoscopy.segmentation import small
from models.colonoscopy.segmentation.registry import SEGMENTERS
from models.colonoscopy.segmentation.training import FROZEN, HELD_OUT, Batch, Examples, batches, examples
from models.core.training import fit, unwrapped

RATE = 6e-4
COARSE = 0.3  # share of the steps with the encoder as it was and frames of SMALL pixels
SMALL = 192
QUARTER = 4  # the networks draw at an eighth of the size; their losses are taken at a quarter
LAST = 40  # frames of ClinicDB's last two sequences, held out: frames of one sequence are much alike
CHECKED = 25  # of the held-out frames, during training
SEED = 5


class SharedEncoder(nn.Module):
    """Networks of one contract (`ENCODER`, `decode`, `shipped`) on one encoder, which is the first one's."""

    def __init__(self, networks: Mapping[str, nn.Module]) -> None:
        super().__init__()
        self.encoder: Any = next(network.get_submodule(str(network.ENCODER)) for network in networks.values())
        for network in networks.values():
            setattr(network, str(network.ENCODER), self.encoder)
        self.networks = nn.ModuleDict(networks)

    def forward(self, frames: Tensor, *like: Tensor, learns: bool = True) -> dict[str, Any]:
        """frames (B, 3, H, W) in 0..1 -> what each network's `decode` gives, by name.

        like: what `decode` is told beside the features. learns: whether the encoder is trained too.
        """
        with torch.set_grad_enabled(learns and torch.is_grad_enabled()):
            features = self.encoder.train(learns and self.training)(frames)
        return {name: network.decode(features, *like) for name, network in each(self).items()}


def each(network: nn.Module) -> dict[str, Any]:
    """The networks of a `SharedEncoder` by name, also of one that is wrapped for several processes."""
    return dict(unwrapped(network).networks.items())


def shipped() -> dict[str, nn.Module]:
    """Those of the registry that share an encoder, as they ship, untrained."""
    entries = SEGMENTERS.shipped.items()
    return {name: one.kind.shipped() for name, one in entries if hasattr(one.kind, "shipped")}


def split(data: Path) -> tuple[Examples, Examples]:
    """The literature's training set, 1,450 frames, as (learnt from, held out): 1,350 and 100."""
    kvasir = examples(data / "colonoscopy" / "kvasir_train")
    clinic = examples(data / "colonoscopy" / "clinicdb_train")
    learnt = [pair for row, pair in enumerate(kvasir) if row % HELD_OUT] + clinic[:-LAST]
    return learnt, kvasir[::HELD_OUT] + clinic[-LAST:]


def losses(network: nn.Module, batch: Batch, spent: float) -> dict[str, Tensor]:
    """The sum of the networks' own losses, each the mean over its maps. Small frames come first."""
    frames, masks = batch
    if coarse := spent < COARSE:
        frames, masks = (interpolate(x, (SMALL, SMALL), mode="bilinear", antialias=True) for x in batch)
    masks = avg_pool2d(masks, QUARTER)
    found = {}
    for name, maps in network(frames, masks, learns=not coarse).items():
        whole = tuple(x.float() for x in maps)
        found[name] = each(network)[name].losses(whole, masks) / len(whole)
    return {"loss": torch.stack(list(found.values())).sum(), **found}


@torch.inference_mode()
def checked(network: nn.Module, held: Examples) -> str:
    """Mean Dice at 0.5 of each network on frames, for the log."""
    from models.colonoscopy.segmentation.metrics import dice
    from models.colonoscopy.segmentation.training import as_tensors

    found: dict[str, list[float]] = {}
    for pair in held:
        frames, masks = as_tensors([pair])
        for name, maps in network(frames, masks).items():
            likely = each(network)[name].likely(maps)
            found.setdefault(name, []).append(dice(likely[0, 0].numpy() > 0.5, pair[1]))
    return json.dumps({name: round(100 * float(np.mean(values)), 1) for name, values in found.items()})


def train(data: Path, steps: int, folder: Path) -> None:
    """Train the three and save each in fp16 in folder/NAME; their model cards are written by hand.

    steps: the budget, since what a minute is worth depends on who else is on the machine.
    """
    known, held = split(data)
    average = fitted("segmenters", known, SEED, steps, held[:: max(1, len(held) // CHECKED)])
    for name, one in each(average).items():
        one.half().save_pretrained(folder / name)


def fitted(run: str, known: Examples, seed: int, steps: int, watched: Examples | None = None) -> nn.Module:
    """The average of the three on one encoder, trained in runs/RUN. watched: Dice on these is logged.

    The encoder goes on from `polyps`, which knew 840 frames of Kvasir's training split.
    """
    torch.manual_seed(seed)
    network = SharedEncoder(shipped())
    network.encoder.load_state_dict(small.load("polyps").encoder.state_dict())
    for early in (network.encoder.stem, *network.encoder.blocks[:FROZEN]):
        early.requires_grad_(False)
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
