"""Made clips: a camera moves in real still frames, because hardly any film of a colonoscopy is at hand.

A clip shows a part of a still, so that what the camera comes to see is real too. The lens's shape stands
still while the tissue moves, as on a screen; light falls with distance; highlights move less than what
they lie on; the wall breathes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.colonoscopy import MOVES
from models.colonoscopy.data.images import Frame, Mask
from models.colonoscopy.synthesis.whole_frames import TrainingFrames, hull, training_frames
from models.colonoscopy.video.base import CLIP
from models.colonoscopy.video.camera import (
    Depth,
    Field,
    grid,
    inside,
    light,
    moved,
    path,
    plausible_depth,
    sampled,
    sources,
)

ZOOMS = (1.3, 1.8)  # how much of a still is not shown in the first frame
UNKNOWN = 0.02  # most that a clip may show of what its still does not have
TRIES = 8
BREATH = 0.012  # of the half side, how far the wall moves by itself
LAGGING = 0.4  # of the way, by which highlights stay behind


@dataclass(frozen=True)
class Clip:
    """A made clip. frames: uint8 (T, S, S, 3). masks: (T, S, S). lens: (S, S), what the lens shows.

    came: (T, S, S, 2), where in the first frame each pixel was, beyond -1..1 where it was not seen.
    light: (T, S, S), how much brighter it was then.
    """

    frames: NDArray[np.uint8]
    masks: NDArray[np.bool_]
    lens: Mask
    came: Field
    light: Field


def made_clip(
    still: Frame, mask: Mask, seen: Mask, lens: Mask, count: int, size: int, rng: np.random.Generator
) -> Clip | None:
    """A clip of `count` frames of `size` pixels from a still (S, S, 3), None where it has too little tissue.

    lens: (size, size), the shape that is seen.
    """
    depth = plausible_depth(still, mask, seen)
    matte, shine = without_highlights(still)
    for attempt in range(TRIES):
        strength = 0.8**attempt
        zoom = rng.uniform(*ZOOMS) * (1 + 0.08 * attempt)
        centre = rng.uniform(-1, 1, 2) * (1 - 1 / zoom) * 0.6
        window = (np.stack(grid(size), -1) / zoom + centre).astype(np.float32)
        poses = random_path(count, rng) * strength
        places = list(_views(depth, poses, window, rng))
        known = [sampled(seen.astype(np.float32), at) * inside(at) for at in places]
        if np.mean([one[lens].mean() for one in known]) < 1 - UNKNOWN:
            continue
        frames, masks, lights = [], [], []
        first = places[0]
        for at, pose in zip(places, poses, strict=True):
            lit = light(depth, pose, at)
            lagging = at + LAGGING * (first - at)
            drawn = sampled(matte, at, cv2.INTER_CUBIC) * lit[..., None] + sampled(shine, lagging)
            drawn[~lens] = 0
            frames.append(np.clip(drawn, 0, 255).round().astype(np.uint8))
            masks.append((sampled(mask.astype(np.float32), at) > 0.5) & lens)
            lights.append(lit)
        came = np.stack([(at - centre) * zoom for at in places])
        return Clip(np.stack(frames), np.stack(masks), lens, came.astype(np.float32), np.stack(lights))
    return None


def random_path(count: int, rng: np.random.Generator) -> Field:
    """Poses of one or two moves at once, of random speed, in either direction of time."""
    poses = np.zeros((count, 6), np.float32)
    for move in rng.choice(MOVES, size=2):
        # A clip is shorter than a film: it gets the part of a move that is made in its time, or more.
        part = path(str(move), 4 * CLIP, rng, shake=0.0)
        speed = np.exp(rng.uniform(np.log(0.5), np.log(6.0)))
        at = np.clip(np.arange(count) * speed + rng.uniform(0, 2 * CLIP), 0, 4 * CLIP - 1)
        low = at.astype(int)
        high, share = np.minimum(low + 1, 4 * CLIP - 1), (at - low)[:, None]
        along = part[low] * (1 - share) + part[high] * share
        poses += along - along[0]
    return poses + path("still", count, rng, shake=rng.uniform(0.3, 6.0))


def _views(depth: Depth, poses: Field, window: Field, rng: np.random.Generator) -> Iterator[Field]:
    """Where in the still each pixel of a window (h, w, 2) lies, for each pose."""
    side = 64  # a smooth flow needs no more
    small = depth.at(side)
    waves = rng.uniform(1, 3, (2, 2)) * np.pi / 2
    phases = rng.uniform(0, 2 * np.pi, 3)
    x, y = grid(side)
    wall = np.stack(
        [
            np.sin(waves[0, 0] * x + waves[0, 1] * y + phases[0]),
            np.sin(waves[1, 0] * x + waves[1, 1] * y + phases[1]),
        ],
        -1,
    )
    rate = rng.uniform(0.1, 0.5)
    for number, pose in enumerate(poses):
        there = moved(small, pose)
        breath = np.sin(phases[2] + rate * number) - np.sin(phases[2])
        back = sources(there + BREATH * breath * wall.astype(np.float32))
        yield sampled(back, window)


def without_highlights(still: Frame) -> tuple[Field, Field]:
    """A frame without its highlights, and these alone: two (H, W, 3) whose sum it is."""
    colours = still.astype(np.float32)
    calm = cv2.medianBlur(still, 9).astype(np.float32)
    bright = colours.min(2) - calm.min(2)
    spot = cv2.GaussianBlur((bright > 30).astype(np.float32), (0, 0), 0.8)[..., None]
    matte = colours * (1 - spot) + calm * spot
    return matte, colours - matte


def lens_of(frame: Frame, size: int) -> Mask:
    """What the lens shows in a still: the convex shape around what isn't black, at another size."""
    lit = frame.max(2) > 0
    shape = (hull(lit) if lit.any() else lit).astype(np.uint8)
    return cv2.resize(shape, (size, size), interpolation=cv2.INTER_AREA) > 0


def made_clips(stills: TrainingFrames, count: int, size: int, seed: int) -> Iterator[Clip]:
    """Endless clips of `count` frames of `size` pixels."""
    rng = np.random.default_rng(seed)
    while True:
        for row in rng.permutation(len(stills.frames)):
            still, mask, seen = stills.frames[row], stills.masks[row], stills.seen[row]
            if rng.random() < 0.5:
                still, mask, seen = still[:, ::-1], mask[:, ::-1], seen[:, ::-1]
            still, mask, seen = (np.ascontiguousarray(one) for one in (still, mask, seen))
            known = seen & (still.max(2) > 0)
            clip = made_clip(still, mask, known, lens_of(still, size), count, size, rng)
            if clip is not None:
                yield clip


def batches(data: Path, size: int, count: int, frames: int, seed: int) -> Iterator[Tensor]:
    """Endless uint8 (count, frames, size, size, 3) of made clips of the training stills."""
    clips = made_clips(training_frames(data), frames, size, seed)
    while True:
        yield torch.from_numpy(np.stack([next(clips).frames for _ in range(count)]))
