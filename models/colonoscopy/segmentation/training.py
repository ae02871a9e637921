"""Training the small segmenters on real frames, much disturbed: a polyp is more than its colour."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from models.colonoscopy.data.images import Frame, Mask, fitted, read_pairs, squared
from models.colonoscopy.segmentation.small import SIZE, SmallSegmenter
from models.colonoscopy.synthesis.arsdm import structure_loss
from models.core.training import fit, save_half

SEEDS = {"polyps": 2, "polyps_guide": 1}
BATCH = 8
RATE = 1e-3
SMALL, COARSE = 192, 0.5  # side of the frames, in pixels, during this share of the budget
FROZEN = (
    3  # blocks of the encoder, at strides 2 and 4, that stay as ImageNet left them: a third less time a step
)
HELD_OUT = 15  # every 15th frame is not trained on and watched instead

Examples = list[tuple[Frame, Mask]]
Batch = tuple[Tensor, Tensor]


def examples(folder: Path) -> Examples:
    """The pairs of a folder as squares of SIZE."""
    return [(squared(pair.frame, SIZE), fitted(pair.mask, SIZE, SIZE)) for pair in read_pairs(folder)]


def batches(known: Examples, seed: int) -> Iterator[Batch]:
    """Endless disturbed frames (B, 3, S, S) in 0..1 with their masks (B, 1, S, S)."""
    rng = np.random.default_rng(seed)
    while True:
        chosen = []
        for row in rng.integers(len(known), size=BATCH):
            frame, mask = known[row]
            frame, mask = moved(frame, mask, rng)
            chosen.append((recoloured(frame, known[rng.integers(len(known))][0], rng), mask))
        yield as_tensors(chosen)


def as_tensors(pairs: Examples) -> Batch:
    """Frames (B, 3, S, S) in 0..1, masks (B, 1, S, S) of 0 and 1."""
    frames = torch.from_numpy(np.stack([frame for frame, _ in pairs])).permute(0, 3, 1, 2).float() / 255
    return frames, torch.from_numpy(np.stack([mask for _, mask in pairs]))[:, None].float()


def moved(frame: Frame, mask: Mask, rng: np.random.Generator) -> tuple[Frame, Mask]:
    """Turned any way, mirrored, stretched, zoomed in to half or out to 1.3 of it, and shifted."""
    turn, zoom = rng.uniform(0, 2 * np.pi), np.exp(rng.uniform(np.log(0.75), np.log(1.9)))
    stretch, mirror = np.exp(rng.uniform(-0.2, 0.2)), rng.choice((-1, 1))
    axes = zoom * np.diag([stretch * mirror, 1 / stretch])
    linear = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) @ axes
    middle = np.full(2, SIZE / 2)
    target = middle + rng.uniform(-0.25, 0.25, 2) * SIZE * max(zoom - 0.6, 0.2)
    affine = np.column_stack([linear, target - linear @ middle])
    size = (SIZE, SIZE)
    return (
        np.asarray(cv2.warpAffine(frame, affine, size, flags=cv2.INTER_LINEAR), np.uint8),
        cv2.warpAffine(mask.astype(np.uint8), affine, size, flags=cv2.INTER_NEAREST) > 0,
    )


def recoloured(frame: Frame, other: Frame, rng: np.random.Generator) -> Frame:
    """With another light, camera and focus.

    Colour exchange (Wei et al., SANet, MICCAI 2021): mean and spread of another frame's Lab channels.
    """
    if rng.random() < 0.4:
        frame = exchanged(frame, other)
    hsv = cv2.cvtColor(frame, cv2.COLOR_RGB2HSV).astype(np.float32)
    hsv[..., 0] = (hsv[..., 0] + rng.normal(0, 5)) % 180
    hsv[..., 1] *= np.exp(rng.normal(0, 0.2))
    frame = np.asarray(cv2.cvtColor(hsv.clip(0, 255).astype(np.uint8), cv2.COLOR_HSV2RGB), np.uint8)
    levels = (np.arange(256) / 255) ** np.exp(rng.normal(0, 0.25))
    levels = (levels - 0.5) * np.exp(rng.normal(0, 0.15)) + 0.5 + rng.normal(0, 0.05)
    frame = (255 * levels).clip(0, 255).astype(np.uint8)[frame]
    if rng.random() < 0.3:
        frame = np.asarray(cv2.GaussianBlur(frame, (0, 0), rng.uniform(0.5, 2.5)), np.uint8)
    if rng.random() < 0.3:
        frame = (frame + rng.normal(0, rng.uniform(2, 12), frame.shape)).clip(0, 255).astype(np.uint8)
    return frame


def exchanged(frame: Frame, other: Frame) -> Frame:
    """A frame with mean and spread of another's Lab channels."""
    own, given = (cv2.cvtColor(f, cv2.COLOR_RGB2LAB).astype(np.float32) for f in (frame, other))
    scaled: NDArray[np.float32] = (own - own.mean((0, 1))) / (own.std((0, 1)) + 1e-3)
    changed = scaled * given.std((0, 1)) + given.mean((0, 1))
    return np.asarray(cv2.cvtColor(changed.clip(0, 255).astype(np.uint8), cv2.COLOR_LAB2RGB), np.uint8)


def losses(network: nn.Module, batch: Batch, spent: float) -> dict[str, Tensor]:
    """PraNet's structure loss at half the size: the pyramid draws at a quarter. Small frames come first."""
    frames, masks = batch
    if spent < COARSE:
        frames, masks = (interpolate(x, (SMALL, SMALL), mode="bilinear", antialias=True) for x in batch)
    logits = avg_pool2d(network(frames).float(), 2)
    return {"loss": structure_loss(logits, avg_pool2d(masks, 2)).mean()}


@torch.inference_mode()
def mean_dice(network: nn.Module, known: Examples) -> float:
    """Mean over the frames of the Dice at 0.5."""
    found, where = [], next(network.parameters()).device
    for start in range(0, len(known), BATCH):
        frames, masks = (part.to(where) for part in as_tensors(known[start : start + BATCH]))
        drawn = network(frames) > 0
        both, either = (drawn & (masks > 0)).sum((1, 2, 3)), drawn.sum((1, 2, 3)) + masks.sum((1, 2, 3))
        found += (2 * both / either.clamp(min=1)).tolist()
    return sum(found) / len(found)


def train(name: str, data: Path, out: Path, minutes: float) -> None:
    """Train one of SEEDS on kvasir_train and save it in fp16; its model card is written by hand."""
    known = examples(data / "colonoscopy" / "kvasir_train")
    watched = known[::HELD_OUT]
    network = trained(
        name,
        [pair for row, pair in enumerate(known) if row % HELD_OUT],
        SEEDS[name],
        minutes=minutes,
        watched=watched,
    )
    save_half(network, out)


def trained(
    run: str,
    known: Examples,
    seed: int,
    *,
    minutes: float = 0,
    steps: int = 0,
    watched: Examples | None = None,
) -> SmallSegmenter:
    """A segmenter that begins with ImageNet's encoder, in runs/RUN; watched: Dice on these is logged."""
    torch.manual_seed(seed)
    network = SmallSegmenter()
    network.encoder.load_imagenet()
    for early in (network.encoder.stem, *network.encoder.blocks[:FROZEN]):
        early.requires_grad_(False)
    average, done = fit(
        run,
        network,
        partial(batches, known),
        losses,
        rate=RATE,
        minutes=minutes,
        steps=steps,
        seed=seed,
        check=(lambda network: f"Dice {mean_dice(network, watched):.3f}") if watched else None,
    )
    assert isinstance(average, SmallSegmenter)
    print(run, done, flush=True)
    return average
