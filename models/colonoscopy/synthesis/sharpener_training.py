"""Training the cascade's last stage: 128 to 256 pixels, with a perceptual loss and a judge of patches."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, l1_loss

from models.colonoscopy.synthesis.cascade import Sharpener
from models.colonoscopy.synthesis.whole_frames import SIZE, TrainingFrames, training_frames
from models.core.nn.patch_discriminator import Adversary
from models.core.perceptual import PerceptualLoss
from models.core.training import first_alone, fit

CROP = 96
BATCH = 4
RATE = 5e-4
NOISE = 0.03  # at most, on the small crop: a sampler leaves some
PERCEPTUAL = 0.2
ALONE = 0.3  # of the budget, before the judge has a say
SHARE, FEATURES = 0.4, 0.3  # of the judge in the gradient on the picture; weight of its features

Crops = tuple[Tensor, Tensor]


def crops(frames: TrainingFrames, seed: int) -> Iterator[Crops]:
    """Endless crops (B, 3, CROP, CROP) in -1..1 turned any way, and their halves under a little noise."""
    rng = np.random.default_rng(seed)
    while True:
        cut: list[Tensor] = []
        while len(cut) < BATCH:
            row, (y, x) = rng.integers(len(frames.frames)), rng.integers((SIZE - CROP) // 2 + 1, size=2) * 2
            if frames.seen[row, y : y + CROP, x : x + CROP].mean() < 0.97:
                continue
            crop = torch.from_numpy(frames.frames[row, y : y + CROP, x : x + CROP]).permute(2, 0, 1)
            crop = crop.rot90(int(rng.integers(4)), (-2, -1))
            cut.append(crop.flip(-1) if rng.random() < 0.5 else crop)
        wanted = torch.stack(cut).float() / 127.5 - 1
        small = avg_pool2d(wanted, 2)
        noise = NOISE * torch.from_numpy(rng.random((BATCH, 1, 1, 1))).float()
        yield small + noise * torch.randn_like(small), wanted


class SharpenerLosses(Adversary):
    """The losses of a batch, and the judge with its own optimiser; its state goes into the run's."""

    def __init__(self) -> None:
        super().__init__(RATE)
        self.perceptual = PerceptualLoss().load_vgg16()

    def prepare(self, accelerator: Accelerator) -> None:
        """Go where the training is."""
        super().prepare(accelerator)
        self.perceptual.to(accelerator.device)

    def __call__(self, network: nn.Module, batch: Crops, spent: float) -> dict[str, Tensor]:
        """batch: see `crops`."""
        small, wanted = batch
        drawn = network(small).float()
        found = {"l1": l1_loss(drawn, wanted), "perceptual": self.perceptual(drawn, wanted)}
        plain = found["l1"] + PERCEPTUAL * found["perceptual"]
        if spent > ALONE / 2:
            found["judge"] = self.teach(wanted, drawn.detach())
        if spent < ALONE:
            return {"loss": plain, **found}
        asked = self.asks(wanted, drawn, plain, SHARE, FEATURES)
        return {**found, **asked, "loss": plain + asked["loss"]}


def train_sharpener(data: Path, minutes: float, steps: int = 0, run: str = "cascade_sharpener") -> nn.Module:
    """The last stage from nothing, in runs/RUN, for `minutes` or `steps` in total; the averaged network."""
    losses = SharpenerLosses()
    with first_alone():
        frames = training_frames(data)
    network, done = fit(
        run,
        Sharpener(),
        partial(crops, frames),
        losses,
        rate=RATE,
        minutes=minutes,
        steps=steps,
        beside={"judge": losses},
    )
    print(run, done, flush=True)
    return network
