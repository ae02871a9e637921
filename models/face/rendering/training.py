"""Training the generator: frames of clips, blended to another moment, against that moment's own frame."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, max_pool2d

from models.core.nn.patch_discriminator import edge_loss
from models.core.perceptual import PerceptualLoss
from models.core.training import first_alone, fit, save_half
from models.face.rendering.examples import Examples, training_examples
from models.face.rendering.generator import NAME, MouthGenerator, inputs

BATCH = 12
SEEN = 4  # of a batch, whose mouths the perceptual loss sees: its network costs more than the generator
RATE = 7e-4
MOUTH = 4.0  # how much more a place of the mouth counts
# Between the lips nobody knows where the tongue was: asked for pixels there, a network answers with the grey
# in the middle of all that might be. So its tone is asked for, and the perceptual loss asks for a mouth.
INSIDE, TONE = 0.2, 16  # what a pixel between the lips counts, and pixels of a cell whose tone is compared
COARSE, REACH = 4, 2  # pixels of a cell, and cells around the lips that are the mouth's too
LOOKED = (19, 99), (11, 117)  # rows and columns that the perceptual loss sees: the moving mouth
PERCEPTUAL = 0.05

Batch = tuple[Tensor, Tensor]


def batches(examples: Examples, seed: int, batch: int = BATCH) -> Iterator[Batch]:
    """Endless inputs (B, 8, S, S) and what is wanted (B, 3, S, S) in -1..1; mirrored and lit at random."""
    rng = np.random.default_rng(seed)
    while True:
        rows = np.sort(rng.integers(len(examples), size=batch))
        squares = [examples.blends[rows], examples.references[rows], examples.wanted[rows]]
        drawn = np.array(examples.drawn[rows])
        lit = _lit([part.astype(np.float32) / 255 for part in squares], rng)
        for index in np.flatnonzero(rng.random(batch) < 0.5):
            for part in (*lit, drawn):
                part[index] = part[index, :, ::-1].copy()
        given = inputs(lit[0] * 255, lit[1] * 255, drawn)
        wanted = torch.from_numpy(lit[2]).permute(0, 3, 1, 2) * 2 - 1
        yield given.contiguous(memory_format=torch.channels_last), wanted.contiguous()


def _lit(parts: list[np.ndarray], rng: np.random.Generator) -> list[np.ndarray]:
    """Pictures (B, S, S, 3) of 0..1 in another light, the same for all pictures of an example."""
    count = len(parts[0])
    gamma = np.exp(rng.normal(0, 0.2, (count, 1, 1, 1))).astype(np.float32)
    gain = np.exp(rng.normal(0, 0.12, (count, 1, 1, 1)) + rng.normal(0, 0.06, (count, 1, 1, 3)))
    return [np.clip(part**gamma * gain.astype(np.float32), 0, 1) for part in parts]


class GeneratorLosses(nn.Module):
    """The losses of a batch. Raises UserError("package_missing")."""

    def __init__(self) -> None:
        super().__init__()
        self.perceptual = PerceptualLoss().load_vgg16()

    def forward(self, network: nn.Module, batch: Batch, spent: float) -> dict[str, Tensor]:
        """batch: as `batches` gives it."""
        given, wanted = batch
        change, share = network(given).float().split([3, 1], dim=1)
        drawn = given[:, :3] + change * share
        mouth = _mouth(given[:, 6:7])
        around = 1 + (MOUTH - 1) * mouth
        weight = torch.lerp(around, torch.full_like(around, INSIDE), given[:, 7:8])
        weight = weight / weight.mean()
        (top, bottom), (left, right) = LOOKED
        real, fake = (picture[:SEEN, :, top:bottom, left:right] for picture in (wanted, drawn))
        found = {
            "l1": ((drawn - wanted).abs() * weight).mean(),
            "edges": edge_loss(drawn, wanted, weight),
            "coarse": edge_loss(avg_pool2d(drawn, 2), avg_pool2d(wanted, 2), avg_pool2d(weight, 2)),
            "tone": (avg_pool2d(drawn - wanted, TONE).abs() * avg_pool2d(around, TONE)).mean(),
            "outside": (change * share).abs().mul(1 - mouth).mean(),
            "perceptual": self.perceptual(fake, real),
            "blend": ((given[:, :3] - wanted).abs() * weight).mean().detach(),
        }
        loss = found["l1"] + found["edges"] + 0.5 * (found["coarse"] + found["tone"])
        return {**found, "loss": loss + 0.1 * found["outside"] + PERCEPTUAL * found["perceptual"]}


def _mouth(lips: Tensor) -> Tensor:
    """Lips (B, 1, S, S), 0..1, grown by REACH cells of a coarse grid."""
    coarse = max_pool2d(avg_pool2d(lips.contiguous(), COARSE), 2 * REACH + 1, 1, REACH)
    return interpolate(coarse, scale_factor=float(COARSE), mode="bilinear")


def train(data: Path, out: Path, minutes: float) -> None:
    """Train for `minutes` of work in total, resuming the run, and save the averaged network in fp16 to `out`.

    Raises UserError as `training_examples` does.
    """
    with first_alone():
        examples = training_examples(data)
    network = MouthGenerator().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    found, done = fit(
        NAME,
        network,
        partial(batches, examples),
        GeneratorLosses(),
        rate=RATE,
        minutes=minutes,
    )
    print(NAME, done, flush=True)
    save_half(found, out)
