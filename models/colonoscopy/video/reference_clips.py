"""Clips that films are measured beside: real ones, and such as are made of stills that nobody trained on."""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from models.colonoscopy.data.images import Frame, image_files, read_frame, read_pairs
from models.colonoscopy.synthesis.whole_frames import SIZE, TrainingFrames, whole
from models.colonoscopy.video.base import CLIP, FPS
from models.colonoscopy.video.clips import Clip, made_clips

REAL = "colonoscopy/video/seq1"
REAL_FPS = 25
STILLS = "colonoscopy/kvasir_test"


def held_out(data: Path, size: int, count: int) -> list[Clip]:
    """Clips made of kvasir_test's stills, always the same ones."""
    pairs = [whole(pair.frame, pair.mask) for pair in read_pairs(data / STILLS)]
    stills = TrainingFrames(
        np.stack([one.frame for one in pairs]),
        np.stack([one.mask for one in pairs]),
        np.stack([one.seen for one in pairs]),
        np.zeros(len(pairs), np.int64),
    )
    return list(islice(made_clips(stills, CLIP, size, seed=10), count))


def real_film(data: Path, size: int = SIZE) -> list[Frame]:
    """All frames of the real film, squares of `size` pixels, 25 a second."""
    frames = [read_frame(path) for path in image_files(data / REAL)]
    return [whole(one, np.zeros(one.shape[:2], bool), size).frame for one in frames]


def real_clips(data: Path, size: int = SIZE) -> list[list[Frame]]:
    """Clips of CLIP frames, FPS a second, from the real film; they overlap, for there is only one."""
    film = real_film(data, size)
    every = REAL_FPS / FPS
    starts = range(0, len(film) - round(every * (CLIP - 1)))
    return [[film[start + round(every * at)] for at in range(CLIP)] for start in starts]


def real_boxes(data: Path) -> Iterator[tuple[Frame, tuple[int, int, int, int]]]:
    """Frames of the real film as they are, each with its largest polyp's box: left, top, right, bottom."""
    told = json.loads((data / f"{REAL}_boxes.json").read_text())["frames"]
    for path, boxes in zip(image_files(data / REAL), told, strict=True):
        if boxes:
            left, top, right, bottom = max((one["bbox"] for one in boxes), key=_area)
            yield read_frame(path), (left, top, right, bottom)


def _area(box: list[int]) -> int:
    return (box[2] - box[0]) * (box[3] - box[1])
