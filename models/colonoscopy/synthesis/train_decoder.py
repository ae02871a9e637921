"""Training what the autoencoder adds to its components: joins between patches, and sharpness.

Beside L1 and an edge loss a patch discriminator (`models.core.nn.patch_discriminator`) learns what they can't
ask for. Latents carry noise, so that the decoder forgives what a sampler leaves.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from models.colonoscopy.data.crops import SIZE, Views
from models.colonoscopy.synthesis.patch_training import autoencoder_of, fresh_seed, scaled, turned
from models.core.nn.patch_discriminator import Adversary, edge_loss
from models.core.training import fit

NAME = "colonoscopy_autoencoder"
CROP = 128
BATCH = 4
RATE = 1e-3
NOISE = 0.4  # at most, of latents of unit size
ALONE = 0.5  # of the budget, before the judge has a say; it learns from half of that on
SHARE = 0.4  # of the judge in the gradient on the picture
FEATURES = 0.5  # weight of the difference between the judge's features


class RepairLosses(Adversary):
    """The losses of a batch, and the judge with its own optimiser; its state goes into the run's."""

    def __init__(self) -> None:
        super().__init__(RATE)

    def __call__(self, network: nn.Module, frames: Tensor, spent: float) -> dict[str, Tensor]:
        """frames: (B, 3, H, W) in -1..1."""
        with torch.no_grad():
            latents = network.encode(frames)  # type: ignore[operator]
            latents = latents + NOISE * torch.rand(len(frames), 1, 1, 1) * torch.randn_like(latents)
        drawn = network.decode(latents).float()  # type: ignore[operator]
        found = {"l1": l1_loss(drawn, frames), "edges": edge_loss(drawn, frames)}
        plain = found["l1"] + found["edges"]
        if spent > ALONE / 2:
            found["judge"] = self.teach(frames, drawn.detach())
        if spent < ALONE:
            return {"loss": plain, **found}
        asked = self.asks(frames, drawn, plain, SHARE, FEATURES)
        return {**found, **asked, "loss": plain + asked["loss"]}


def crops(views: Views, seed: int) -> Iterator[Tensor]:
    """Endless batches of random squares of CROP pixels, turned any way, cut anywhere."""
    frames, _ = views
    rng = np.random.default_rng(seed)
    while True:
        rows, at = rng.integers(len(frames), size=BATCH), rng.integers(SIZE - CROP + 1, size=(BATCH, 2))
        cut = [frames[i, y : y + CROP, x : x + CROP] for i, (y, x) in zip(rows, at, strict=True)]
        yield scaled(np.stack([turned(frame, int(rng.integers(8))) for frame in cut]))


def train_repair(views: Views, minutes: float) -> nn.Module:
    """Fit the components and train the repair for `minutes` in total; the averaged autoencoder."""
    losses = RepairLosses()
    network, done = fit(
        NAME,
        autoencoder_of(views),
        crops(views, fresh_seed()),
        losses,
        rate=RATE,
        minutes=minutes,
        beside={"judge": losses},
    )
    print(NAME, done, flush=True)
    return network
