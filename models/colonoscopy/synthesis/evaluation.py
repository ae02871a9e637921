"""Tables about drawn frames: fidelity to the mask, realism, memory, speed, and use for training.

Each part can be asked for by itself, writes its own table, and goes on where it was stopped.
"""

import multiprocessing
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from models.colonoscopy import TOO_NEAR, pipeline
from models.colonoscopy.data.images import Frame
from models.colonoscopy.data.test_sets import Sets, official
from models.colonoscopy.segmentation.metrics import dice
from models.colonoscopy.synthesis import downstream, memorization
from models.colonoscopy.synthesis.fid_kid import (
    frechet_distance,
    kernel_distance,
    precision_recall,
    told_apart,
)
from models.colonoscopy.synthesis.generated_frames import (
    Squares,
    altered,
    drawn,
    enlarged_again,
    spoilt,
    squares,
)
from models.colonoscopy.synthesis.generator import Cascade
from models.colonoscopy.synthesis.registry import GENERATORS
from models.colonoscopy.synthesis.whole_frames import TrainingFrames, training_frames
from models.core.errors import UserError
from models.core.results import markdown, peak_mebibytes, write

Rows = list[dict[str, Any]]
MOST = 50  # masks of a set that frames are drawn for, by each model
RUNS_TIMED = (("ddim", 200), ("ddim", 50), ("dpm", 20))
CORES = 2
INPAINTED, REMOVED = "real, its polyp drawn anew", "real, its polyp taken away"
CUT = 20  # pixels off each side of a training frame, to see that it is known all the same

TITLES = {
    "fidelity": f"""## Colonoscopy: is the polyp where it was drawn?

Dice in per cent between a mask and what the segmenter `polyps` finds in the frame: `polyps` was trained on
real frames only and had no part in any generator's training. Masks are those of at most {MOST} whole
frames a set, evenly spread; each model draws one frame for each, from the same seeds. In the last rows of a
set the polyp of each real frame was painted over by `inpaint`: another one drawn there, or none (then less is
better).""",
    "realism": """## Colonoscopy: how real do frames look?

Distances between real test frames and as many others, in features of EfficientNet-Lite2 as ImageNet left it
(520 numbers: means at strides 8, 16, 32), which never saw a drawn frame. The kernel distance is unbiased;
Frechet's is not, and compares only within its set. Precision: the share of the other frames inside the
manifold of the real ones; recall: of the real ones inside theirs (k = 3). Told apart: balanced accuracy, over
five folds, of a linear classifier between the two on the same features; 50 % is chance. Another clinic's real
frames are the scale, and what the cascade's second stage makes of the real frames themselves, made small as
its base draws them, is what the base could reach at best. Real frames whose polyp was painted over are real
but for that place.""",
    "memory": """## Colonoscopy: are training frames remembered?

Distance to the nearest training frame, in the same features. Too near is
nearer than all but one per cent of real test frames are. The first rows tell whether a copy is noticed.""",
    "speed": f"""## Colonoscopy: how long does a frame take?

256 pixels, {CORES} threads, in a process of its own; judging the frame is included. The first frame comes
after loading every network.""",
    "use": f"""## Colonoscopy: do drawn frames help a segmenter?

PraNet, SANet and Polyp-PVT as they ship, on one encoder (`train segmenters`), {downstream.STEPS} steps on the
1,450 frames of Kvasir's and ClinicDB's training splits alone, or with one drawn frame for each of their masks
(DPM-Solver++, {downstream.SAMPLING} steps). mDice over 256 thresholds in per cent: mean and standard
deviation of {len(downstream.SEEDS)} seeds. The talk's sets are five, three of which are not here.""",
    "use-detectors": f"""## Colonoscopy: do drawn frames help a detector?

CenterNet, Sparse R-CNN and Deformable DETR, {downstream.STEPS} steps on the segmenters' diets, on the encoder
that the segmenters of the same diet and seed trained, which stands still. Per cent, mean and standard
deviation of {len(downstream.SEEDS)} seeds; AP50 and F1 as in the detectors' own table, F1 at the confidence
that is best on every {downstream.CHOSEN_ON}th real training frame. The talk's column is its F1 over all its
sets.""",
}


class Material:
    """What the parts share, made when the first of them asks. data: None where only pairs were given."""

    def __init__(self, sets: Sets, data: Path | None, limit: int | None) -> None:
        self.sets, self.data, self.limit = sets, data, limit

    @cached_property
    def squares(self) -> dict[str, Squares]:
        """Of each set."""
        return {name: squares(name, folder, self.limit, MOST) for name, folder in self.sets.items()}

    @cached_property
    def drawn(self) -> dict[tuple[str, str], tuple[list[Frame], list[Mapping[str, Any]]]]:
        """By set and model."""
        return {
            (name, model): drawn(given, model) for name, given in self.squares.items() for model in _ours()
        }

    @cached_property
    def altered(self) -> dict[tuple[str, str], tuple[list[Frame], list[Mapping[str, Any]]]]:
        """By set and what was done to the polyp of each real frame."""
        return {
            (name, done): altered(given, remove=done == REMOVED)
            for name, given in self.squares.items()
            for done in (INPAINTED, REMOVED)
        }

    @cached_property
    def training(self) -> TrainingFrames | None:
        """None without the data folder."""
        return None if self.data is None else training_frames(self.data)


def _ours() -> tuple[str, ...]:
    """The generators that ship; others draw at their own sizes, and only their authors know their data."""
    return tuple(name for name in GENERATORS.installed() if name in GENERATORS.shipped)


def evaluate(
    sets: Sets, data: Path | None, parts: Sequence[str], limit: int | None = None
) -> dict[str, Rows]:
    """The rows of each part, recorded where they are of the whole test sets.

    Without the data folder the rows about training frames are left out. Raises UserError: part_unknown,
    data_missing for `use` without it, and as the checkpoints and the pairs do.
    """
    for part in parts:
        if part not in PARTS:
            raise UserError("part_unknown", name=part, choices=", ".join(PARTS))
    material, found = Material(sets, data, limit), {}
    for part in parts:
        found[part] = PARTS[part](material)
        if official(sets, limit):
            command = f"`python -m models.colonoscopy evaluate synthesis --data DIR --parts {part}`"
            write(f"colonoscopy-{part}", f"{TITLES[part]}\n\n{markdown(found[part])}\n\n{command}")
    return found


def fidelity(material: Material) -> Rows:
    """Dice with the mask in drawn frames, beside the same segmenter on the real frames of those masks."""
    rows = []
    for name, given in material.squares.items():
        real = 100 * np.mean(
            [dice(pipeline.segment(f), m) for f, m in zip(given.frames, given.masks, strict=True)]
        )
        counts = {"n": len(given.names), "not drawn": given.skipped}
        rows.append({"set": name, "model": "real", "Dice": float(real), "of real": "", **counts})
        others = {model: material.drawn[name, model] for model in _ours()}
        others |= {done: material.altered[name, done] for done in (INPAINTED, REMOVED)}
        for model, (_, facts) in others.items():
            reached = 100 * float(np.mean([row["dice"] for row in facts]))
            share = f"{reached / real:.2f}" if real else ""
            rows.append({"set": name, "model": model, "Dice": reached, "of real": share, **counts})
    return rows


def realism(material: Material) -> Rows:
    """Frechet and kernel distance of other frames from the real ones of each set."""
    rows = []
    rng = np.random.default_rng(0)
    for name, given in material.squares.items():
        real = memorization.features(given.frames)
        others = {}
        if material.training is not None:
            known = material.training.frames
            chosen = rng.permutation(len(known))[: len(given.frames)]
            others["real training frames (floor)"] = list(known[chosen])
        # Another clinic's real frames are the scale: nobody drew them, and they differ too.
        others |= {
            f"real, {other}": clinic.frames for other, clinic in material.squares.items() if other != name
        }
        others |= {model: material.drawn[name, model][0] for model in _ours()}
        others |= {done: material.altered[name, done][0] for done in (INPAINTED, REMOVED)}
        cascade = GENERATORS.loaded(pipeline.INPAINTER)
        if isinstance(cascade, Cascade):
            others["real at 32 pixels, enlarged (bound)"] = enlarged_again(given, cascade)
        bad = [spoilt(frame, rng) for frame in given.frames]
        others |= {
            f"real under {kind} (ceiling)": [frame[kind] for frame in bad] for kind in ("blur", "noise")
        }
        for label, frames in others.items():
            rows.append({"set": name, "model": label, **realism_of(real, memorization.features(frames))})
    return rows


def realism_of(real: Tensor, found: Tensor) -> dict[str, Any]:
    """How features (M, D) of frames lie beside those of real ones (N, D); each needs five rows."""
    precision, recall = precision_recall(real, found)
    return {
        "Frechet": f"{frechet_distance(real, found):.2f}",
        "kernel x 1000": f"{1000 * kernel_distance(real, found):.2f}",
        "precision": f"{precision:.2f}",
        "recall": f"{recall:.2f}",
        "told apart": f"{100 * told_apart(real, found):.0f} %",
        "n": len(found),
    }


def remembered(material: Material) -> Rows:
    """Distances to the nearest training frame, and how many are nearer than real frames ever are."""
    known = memorization.load()
    usual = known.usual.tolist()
    controls: dict[str, list[Frame]] = {}
    if material.training is not None:
        some = material.training.frames[::16]
        controls["training frames, mirrored"] = [np.ascontiguousarray(one[:, ::-1]) for one in some]
        controls["training frames, cut otherwise"] = [one[CUT:-CUT, CUT:-CUT] for one in some]
    distances = {
        label: known.nearest(memorization.features(frames)).tolist() for label, frames in controls.items()
    }
    distances["real test frames, nobody's training"] = usual
    for model in _ours():
        facts = [row for (_, m), (_, rows) in material.drawn.items() if m == model for row in rows]
        distances[model] = [float(row["nearest"]) for row in facts]
    limit = float(np.percentile(usual, TOO_NEAR))
    return [
        {
            "model": label,
            "median": f"{np.median(found):.3f}",
            "least": f"{min(found):.3f}",
            f"nearer than {limit:.3f}": sum(one < limit for one in found),
            "n": len(found),
        }
        for label, found in distances.items()
    ]


def speed(material: Material) -> Rows:
    """Seconds a frame and peak memory of each sampler, each in a fresh process."""
    mask = next(iter(material.squares.values())).masks[0]
    rows = []
    for sampler, steps in RUNS_TIMED:
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            rows.append(pool.apply(timed, (mask, sampler, steps)))
    return rows


def timed(mask: Any, sampler: str, steps: int) -> dict[str, Any]:
    """One row of `speed`, measured in this process."""
    import torch

    torch.set_num_threads(CORES)
    start = time.monotonic()
    seen: list[float] = []
    previews: list[float] = []
    for step in pipeline.draw(pipeline.Order(mask, count=3, steps=steps, sampler=sampler)):
        (seen if isinstance(step, pipeline.Sample) else previews).append(time.monotonic() - start)
    return {
        "sampler": sampler,
        "steps": steps,
        "s to the first preview": f"{previews[0]:.1f}",
        "s to the first frame": f"{seen[0]:.1f}",
        "s a further frame": f"{(seen[-1] - seen[0]) / (len(seen) - 1):.2f}",
        "peak MB": peak_mebibytes(),
    }


def used(table: Callable[[Path, Sets, int | None], Rows], material: Material) -> Rows:
    """Networks trained with and without drawn frames. table: of `downstream`."""
    if material.data is None:
        raise UserError("data_missing")
    return table(material.data, material.sets, material.limit)


PARTS: dict[str, Callable[[Material], Rows]] = {
    "fidelity": fidelity,
    "realism": realism,
    "memory": remembered,
    "speed": speed,
    "use": partial(used, downstream.segmenters),
    "use-detectors": partial(used, downstream.detectors),
}
