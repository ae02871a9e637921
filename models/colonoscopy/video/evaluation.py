"""Tables about films: how they move, what the autoencoders keep, realism, fidelity, steadiness, speed."""

import itertools
import multiprocessing
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from models.colonoscopy import MASKLESS, pipeline
from models.colonoscopy.data.images import Frame, Mask, fitted, padded, read_pairs
from models.colonoscopy.segmentation.metrics import dice
from models.colonoscopy.synthesis.fid_kid import frechet_distance, kernel_distance
from models.colonoscopy.synthesis.memorization import features
from models.colonoscopy.synthesis.whole_frames import training_frames, whole
from models.colonoscopy.video import pvdm_pipeline
from models.colonoscopy.video.base import CLIP, FPS, FilmFrame, FilmOrder
from models.colonoscopy.video.clips import made_clips
from models.colonoscopy.video.frame_by_frame import drawn_alone, judged
from models.colonoscopy.video.motion import motion
from models.colonoscopy.video.reconstruction import CLIPS, SIZE, reconstruction
from models.colonoscopy.video.reference_clips import REAL_FPS, held_out, real_boxes, real_clips, real_film
from models.colonoscopy.video.registry import FILMS
from models.core.errors import UserError
from models.core.results import markdown, peak_mebibytes, write

OURS, PVDM, BY_FRAME = "conditioned", "pvdm", "ArSDM, frame by frame"
ORDERS = 12  # masks that films are made under
MOVES = ("still", "forward", "left", "around")
EVERY = 4  # of ArSDM's frames, which are drawn one by one, only so many
LONG, SHORT = 20.0, 4.0  # seconds of the films whose memory is compared
CORES = 2

Rows = list[dict[str, Any]]

TITLES = {
    "motion": f"""## Colonoscopy films: how made clips move

Optical flow between neighbouring frames, in pixels of a frame of 128: quantiles of its mean, and the standard
deviation of the affine motion that fits it. Real: the one dense film at hand, 53 frames, taken at
{REAL_FPS / 2:.1f} and {REAL_FPS / 3:.1f} frames a second; made clips have {FPS}.""",
    "reconstruction": f"""## Colonoscopy films: what the autoencoders keep

Clips of {CLIP} frames: {CLIPS} made of stills that nobody trained on (kvasir_test), and those of the one
real film, at the size that each autoencoder sees. PSNR in decibels, the mean over clips, and SSIM, over
frames. The last frame repeated is the baseline of a network that knows no motion;
of PVDM's transformers it is the planes that they begin with.""",
    "realism": f"""## Colonoscopy films: how real do clips look?

Distance to {CLIPS} clips made of held-out stills, in features of EfficientNet-Lite2 as ImageNet left it:
their mean over a clip, and the mean size of their changes from frame to frame (1,040 numbers). Floor: as many
other made clips; ceiling: the same clips with their frames shuffled in time.""",
    "fidelity": f"""## Colonoscopy films: is the polyp under its moving outline?

Dice in per cent between a frame's mask and what the segmenter `polyps` finds there: {ORDERS} masks of
kvasir_test, films of {SHORT:.0f} s; of {BY_FRAME} every {EVERY}th frame. Real: the frames of those masks.
Shake of colour: mean change of the polyp's mean colour from one frame to the next, of 255, in films that
stand still; of outline: 100 minus the Dice of what is found in neighbouring frames. The real film moves; of
it the polyp's box stands for its mask.""",
    "speed": f"""## Colonoscopy films: how long does one take?

{CORES} threads, each in a process of its own, loading included; judging every frame too. Peak memory of a
film of {SHORT:.0f} s and of {LONG:.0f} s.""",
}


def evaluate(data: Path, parts: Sequence[str], record: bool = True) -> dict[str, Rows]:
    """The rows of each part. record: into docs/RESULTS.md. Raises UserError("part_unknown")."""
    for part in parts:
        if part not in PARTS:
            raise UserError("part_unknown", name=part, choices=", ".join(PARTS))
    found = {}
    for part in parts:
        found[part] = PARTS[part](data)
        if record:
            command = f"`python -m models.colonoscopy evaluate video --data DIR --parts {part}`"
            write(f"colonoscopy-film-{part}", f"{TITLES[part]}\n\n{markdown(found[part])}\n\n{command}")
    return found


def moves(data: Path) -> Rows:
    """Flow of the real film at two rates and of made clips."""
    film = real_film(data)
    clips = made_clips(training_frames(data), CLIP, SIZE, seed=11)
    kinds: dict[str, list[Sequence[Frame]]] = {
        f"real, {REAL_FPS / step:.1f} a second": [film[start::step] for start in range(step)]
        for step in (2, 3)
    }
    kinds["made of stills"] = [list(next(clips).frames) for _ in range(2 * CLIPS)]
    rows = []
    for kind, given in kinds.items():
        seen = np.concatenate([motion(one) for one in given])
        low, middle, high = np.quantile(seen[:, 0], (0.1, 0.5, 0.9))
        spread = seen[:, 1:].std(0)
        names = ("right", "down", "zoom %", "turn %")
        rows.append(
            {"clips": kind, "10 %": f"{low:.2f}", "half": f"{middle:.2f}", "90 %": f"{high:.2f}"}
            | {name: f"{value:.2f}" for name, value in zip(names, spread, strict=True)}
        )
    return rows


@cache
def orders(data: Path) -> tuple[tuple[FilmOrder, Frame], ...]:
    """Films of SHORT seconds under masks of kvasir_test, evenly spread, and the masks' own frames."""
    pairs = list(read_pairs(data / "colonoscopy" / "kvasir_test"))
    chosen = np.linspace(0, len(pairs) - 1, ORDERS).round().astype(int)
    squares = [whole(pairs[row].frame, pairs[row].mask) for row in chosen]
    return tuple(
        (FilmOrder(padded(one.mask), move=MOVES[row % len(MOVES)], seconds=SHORT, seed=3000 + row), one.frame)
        for row, one in enumerate(squares)
    )


def realism(data: Path) -> Rows:
    """Frechet and kernel distance of clips."""
    made = [list(one.frames) for one in held_out(data, SIZE, 2 * CLIPS)]
    reference = clip_features(made[:CLIPS])
    rng = np.random.default_rng(0)
    kinds: dict[str, list[list[Frame]]] = {
        "other made clips (floor)": made[CLIPS:],
        "the same, shuffled in time (ceiling)": [
            [clip[at] for at in rng.permutation(len(clip))] for clip in made[CLIPS:]
        ],
        "the real film": real_clips(data, SIZE),
    }
    masks = [order.mask for order, _ in orders(data)]
    for name in _ours():
        kinds[FILMS[name].title] = [
            [step.frame for step in judged(_short(masks, at), name)] for at in range(CLIPS)
        ]
    if PVDM in _ours():
        alone = pvdm_pipeline.load(PVDM, pvdm_pipeline.PlanesAlone)
        kinds["PVDM, its planes alone"] = [
            [step.frame for step in alone(_short(masks, at)) if isinstance(step, FilmFrame)]
            for at in range(CLIPS)
        ]
    kinds[BY_FRAME] = [_by_frame(_short(masks, at), range(CLIP)) for at in range(CLIPS)]
    rows = []
    for name, clips in kinds.items():
        found = clip_features(clips)
        rows.append(
            {
                "clips": name,
                "Frechet": f"{frechet_distance(reference, found):.0f}",
                "kernel x 1000": f"{1000 * kernel_distance(reference, found):.1f}",
                "n": len(clips),
            }
        )
    return rows


def _ours() -> tuple[str, ...]:
    """The methods whose weights ship and are here."""
    return tuple(name for name in FILMS.installed() if name in FILMS.shipped)


def clip_features(clips: Sequence[Sequence[Frame]]) -> Tensor:
    """(N, 1040): the mean of the frames' features, and of the sizes of their changes."""
    rows = []
    for clip in clips:
        found = features(list(clip))
        rows.append(torch.cat([found.mean(0), found.diff(dim=0).abs().mean(0)]))
    return torch.stack(rows)


def _short(masks: Sequence[Mask], at: int) -> FilmOrder:
    """An order of one clip."""
    move = MOVES[at % len(MOVES)]
    return FilmOrder(masks[at % len(masks)], move=move, seconds=CLIP / FPS, seed=4000 + at)


def _by_frame(order: FilmOrder, which: Sequence[int]) -> list[Frame]:
    """What ArSDM draws for the mask of each frame of our film, from one seed."""
    masks = [step.mask for step in judged(order, OURS)]
    return [drawn_alone(masks[at], order.seed) for at in which]


def fidelity(data: Path) -> Rows:
    """Dice with the moving mask, and how much polyp and outline shake."""
    real = [dice(pipeline.segment(frame), order.mask) for order, frame in orders(data)]
    rows: Rows = [{"film": "real", "Dice": f"{100 * np.mean(real):.1f}", **_real_shake(data), "n": len(real)}]
    films = {
        name: [(order, judged(order, name)) for order, _ in orders(data)]
        for name in _ours()
        if name not in MASKLESS
    }
    for name, made in films.items():
        seen = [(one.move, [(f.frame, f.mask, f.found) for f in film]) for one, film in made]
        rows.append(_row(FILMS[name].title, seen))
    alone = []
    for order, film in films[OURS]:
        some = [step for step in film[::EVERY] if step.mask is not None and step.mask.any()]
        frames = [drawn_alone(step.mask, order.seed) for step in some]
        alone.append(
            (order.move, [(f, s.mask, pipeline.segment(f)) for f, s in zip(frames, some, strict=True)])
        )
    rows.append(_row(BY_FRAME, alone))
    return rows


Seen = tuple[Frame, Mask | None, Mask]


def _row(name: str, films: Sequence[tuple[str, Sequence[Seen]]]) -> dict[str, Any]:
    """films: each with its move."""
    agreed = [
        dice(found, fitted(mask, *found.shape))
        for _, film in films
        for _, mask, found in film
        if mask is not None and mask.any()
    ]
    still = [film for move, film in films if move == "still"]
    colours = [
        np.abs(np.diff([frame[mask].mean(0) for frame, mask, _ in film if mask is not None], axis=0)).mean()
        for film in still
    ]
    outlines = [
        100 * (1 - dice(before, after))
        for film in still
        for (_, _, before), (_, _, after) in itertools.pairwise(film)
    ]
    return {
        "film": name,
        "Dice": f"{100 * np.mean(agreed):.1f}",
        "shake of colour": f"{np.mean(colours):.2f}",
        "of outline": f"{np.mean(outlines):.1f}",
        "n": len(agreed),
    }


def _real_shake(data: Path) -> dict[str, Any]:
    """The same of the real film, of its polyp's box, at a rate like a film's."""
    colours, overlaps = [], []
    seen = list(real_boxes(data))
    for (one, box), (other, there) in zip(seen[::3], seen[3::3], strict=False):
        colours.append(np.abs(_inside(one, box) - _inside(other, there)).mean())
        before, after = pipeline.segment(one), pipeline.segment(other)
        overlaps.append(100 * (1 - dice(before, after)))
    return {
        "shake of colour": f"{np.mean(colours):.2f}",
        "of outline": f"{np.mean(overlaps):.1f}",
    }


def _inside(frame: Frame, box: tuple[int, int, int, int]) -> Any:
    left, top, right, bottom = box
    return frame[top:bottom, left:right].reshape(-1, 3).mean(0)


def speed(data: Path) -> Rows:
    """Seconds and peak memory of each generator that ships, each film in a fresh process."""
    order, _ = orders(data)[1]
    rows = []
    for model in _ours():
        found = []
        for seconds in (SHORT, LONG):
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                found.append(pool.apply(timed, (order, model, seconds)))
        short, long = found
        rows.append(
            {
                "film": FILMS[model].title,
                "s to the first preview": f"{short['preview']:.1f}",
                f"s for {SHORT:.0f} s": f"{short['seconds']:.1f}",
                f"s for {LONG:.0f} s": f"{long['seconds']:.1f}",
                "peak MB": f"{short['peak']}, {long['peak']}",
            }
        )
    return rows


def timed(order: FilmOrder, model: str, seconds: float) -> dict[str, Any]:
    """One film, measured in this process."""
    torch.set_num_threads(CORES)
    start, first = time.monotonic(), 0.0
    for _ in pipeline.film(replace(order, seconds=seconds), model):
        first = first or time.monotonic() - start
    return {"preview": first, "seconds": time.monotonic() - start, "peak": peak_mebibytes()}


PARTS: dict[str, Callable[[Path], Rows]] = {
    "motion": moves,
    "reconstruction": reconstruction,
    "realism": realism,
    "fidelity": fidelity,
    "speed": speed,
}
