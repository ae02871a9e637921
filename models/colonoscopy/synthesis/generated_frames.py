"""What the synthesis is measured on: real frames, whole, and a frame that each model draws for each mask.

Everything stays in runs/, so a measurement that was stopped goes on, and a model that changed is drawn anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.nn.functional import adaptive_avg_pool2d

from models.colonoscopy.data import exports
from models.colonoscopy.data.images import Frame, Mask, pair_paths, read_frame, read_pairs
from models.colonoscopy.data.masks import check_mask
from models.colonoscopy.data.test_sets import fingerprint
from models.colonoscopy.pipeline import Alteration, Order
from models.colonoscopy.synthesis import sampling
from models.colonoscopy.synthesis.cascade import SMALL
from models.colonoscopy.synthesis.generator import Cascade, picture, pixels
from models.colonoscopy.synthesis.whole_frames import SIZE, whole
from models.core.errors import UserError
from models.core.training import RUNS

FOLDER = RUNS / "colonoscopy_evaluation"
SEED = 1000
STEPS, SAMPLER = 20, "dpm"


@dataclass(frozen=True)
class Squares:
    """A set's pairs as the generators' training sees them: names, frames (256, 256, 3), masks (256, 256).

    skipped: how many pairs have a mask that no frame can be drawn for (most are empty).
    """

    folder: Path
    names: list[str]
    frames: list[Frame]
    masks: list[Mask]
    skipped: int


def squares(name: str, pairs: Path, limit: int | None = None, most: int | None = None) -> Squares:
    """Each pair as a square, its mask as a file for `sampling`.

    limit: only the first pairs. most: of those so many, evenly spread, because neighbours are often alike.
    """
    folder = FOLDER / f"{name}_{fingerprint(pairs)}"
    for part in ("masks", "frames"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    names, frames, masks, skipped = [], [], [], 0
    count = len(pair_paths(pairs)[:limit])
    kept = set(np.linspace(0, count - 1, min(count, most or count)).round().astype(int).tolist())
    for place, pair in enumerate(read_pairs(pairs, limit)):
        if place not in kept:
            continue
        square = whole(pair.frame, pair.mask)
        try:
            check_mask(square.mask)
        except UserError:
            skipped += 1
            continue
        (folder / "masks" / f"{pair.name}.png").write_bytes(exports.mask_png(square.mask))
        Image.fromarray(square.frame).save(folder / "frames" / f"{pair.name}.png")
        names.append(pair.name)
        frames.append(square.frame)
        masks.append(square.mask)
    return Squares(folder, names, frames, masks, skipped)


def drawn(given: Squares, model: str, steps: int = STEPS) -> tuple[list[Frame], list[Mapping[str, Any]]]:
    """A frame of a model for each mask, with its facts. Each mask has its seed, the same for every model."""
    order = Order(given.masks[0], model=model, steps=steps, sampler=SAMPLER)
    return _sampled(given, _jobs(given), order, given.folder / model)


def altered(given: Squares, remove: bool) -> tuple[list[Frame], list[Mapping[str, Any]]]:
    """Each real frame with its polyp drawn anew under its mask, or taken away, with its facts."""
    wanted = [
        replace(job, frame=given.folder / "frames" / f"{name}.png")
        for name, job in zip(given.names, _jobs(given), strict=True)
    ]
    order = Alteration(given.frames[0], given.masks[0], remove=remove)
    return _sampled(given, wanted, order, given.folder / ("removed" if remove else "inpainted"))


def _jobs(given: Squares) -> list[sampling.Job]:
    return sampling.jobs([given.folder / "masks" / f"{name}.png" for name in given.names], 1, SEED)


def _sampled(
    given: Squares, wanted: list[sampling.Job], order: Order | Alteration, out: Path
) -> tuple[list[Frame], list[Mapping[str, Any]]]:
    listed = {str(row["file"]): row for row in sampling.sample(wanted, order, out, burn=False)}
    files = [f"{job.name}.png" for job in wanted]
    return [read_frame(out / "images" / file) for file in files], [listed[file] for file in files]


@torch.inference_mode()
def enlarged_again(given: Squares, cascade: Cascade) -> list[Frame]:
    """The real frames made as small as a cascade's base draws, and enlarged by its other stages."""
    found = []
    for index, (frame, mask) in enumerate(zip(given.frames, given.masks, strict=True)):
        small = adaptive_avg_pool2d(pixels(frame), SMALL).to(cascade.base.device)
        polyp = torch.from_numpy(mask)[None].float().to(small)
        generator = torch.Generator().manual_seed(SEED + index)
        *_, (_, drawn) = cascade.detail(small, polyp, generator)
        found.append(picture(drawn))
    return found


def spoilt(frame: Frame, rng: np.random.Generator) -> dict[str, Frame]:
    """A frame as no generator should draw it: out of focus, and under noise."""
    small = Image.fromarray(frame).resize((SIZE // 8, SIZE // 8), Image.Resampling.BOX)
    noisy = (frame + rng.normal(0, 50, frame.shape)).clip(0, 255).astype(np.uint8)
    return {"blur": np.asarray(small.resize((SIZE, SIZE), Image.Resampling.BICUBIC)), "noise": noisy}
