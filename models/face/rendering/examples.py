"""What the generator learns from: a frame of a clip, blended to look like another moment, and that moment.

No sound is needed for it, and what is wanted is known: the frame of that moment itself.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.core.training import RUNS
from models.face.rendering.blend import Blender
from models.face.rendering.crops import SIDE, Crop, crop_of, cut, maps
from models.face.sources import mesh
from models.face.sources.clips import Clip
from models.face.sources.close_mouth import closed
from models.face.sources.speaker_split import taught

FOLDER = RUNS / "face_generator"
COUNT = 12_000
CLIPS = 80  # of a person at most: moments of a clip are cheaper than clips
PORTRAIT = 0.6  # of the examples start as a portrait does: one frame is all that is known of the person
ROOT = 0.35  # power of the number of clips by which a person counts
OPENER = 2.0  # how much likelier a wide mouth is wanted than a closed one


@dataclass(frozen=True)
class Examples:
    """N squares, uint8: blends, references and what is wanted (N, S, S, 3), maps (N, S, S, 2)."""

    blends: np.ndarray
    references: np.ndarray
    drawn: np.ndarray
    wanted: np.ndarray

    def __len__(self) -> int:
        return len(self.blends)


def training_examples(data: Path, count: int = COUNT) -> Examples:
    """Examples of the people that are taught, made once and kept in runs/. Raises as `taught` does."""
    path = FOLDER / "examples.npy"
    if not path.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        clips = _few(list(taught(data)))
        partial = path.with_suffix(".part.npy")
        rows = np.lib.format.open_memmap(partial, "w+", np.uint8, (count, SIDE, SIDE, 11))
        rng = np.random.default_rng(0)
        shares = _shares(clips, count)
        places = iter(rng.permutation(count))
        for clip, share in zip(clips, shares, strict=True):
            for row in examples(clip, share, rng):
                rows[next(places)] = row
        rows.flush()
        used = count - sum(1 for _ in places)
        if used < count:  # a clip without a face gave nothing
            filled = rows.reshape(count, -1).any(1)
            np.save(partial, rows[filled])
        partial.replace(path)
    rows = np.load(path, mmap_mode="r")
    return Examples(rows[..., :3], rows[..., 3:6], rows[..., 6:8], rows[..., 8:])


def examples(clip: Clip, count: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Squares of a clip (S, S, 11): blend, reference, maps, wanted; `count` of them."""
    frames = clip.frames()
    track, pixels = clip.track, clip.track.pixels()
    seen = np.flatnonzero(track.seen[: len(frames)])
    if len(seen) < 10:
        return
    gaps = mesh.lip_gap(track.vertices[seen])
    likely = 1 + OPENER * np.clip(gaps / max(float(gaps.max()), 1e-3), 0, 1)
    likely /= likely.sum()
    widest = seen[np.argsort(gaps)[-max(2, len(seen) // 10) :]]
    for _ in range(count):
        wanted, start = int(rng.choice(seen, p=likely)), int(rng.choice(seen))
        portrait = rng.random() < PORTRAIT
        known = start if portrait else int(rng.choice(widest))
        if wanted in (known, start):  # nothing to learn from: the answer was given
            wanted = int(seen[(np.searchsorted(seen, wanted) + len(seen) // 2) % len(seen)])
        rest = closed(track.vertices[known]) if portrait else track.rest
        blender = Blender(frames[known], pixels[known], rest)
        blended = blender.blend(frames[start], pixels[start], pixels[wanted])
        jitter = rng.uniform(-0.04, 0.04, 3)
        crop = _moved(blended.crop, jitter)
        reference = _moved(crop_of(track.poses[known], rest), jitter)
        yield np.concatenate(
            [
                cut(blended.frame, crop),
                cut(frames[known], reference),
                maps(pixels[wanted], crop),
                cut(frames[wanted], crop),
            ],
            axis=2,
        )


def _moved(crop: Crop, jitter: np.ndarray) -> Crop:
    """A crop shifted and scaled by small parts (3,) of its side."""
    x, y, side = (float(part) * crop.side for part in jitter)
    return Crop(crop.x + x, crop.y + y, crop.side + side)


def _few(clips: Sequence[Clip]) -> list[Clip]:
    """The clips, evenly spread CLIPS of whoever has more."""
    kept: list[Clip] = []
    for person in dict.fromkeys(clip.person for clip in clips):
        theirs = [clip for clip in clips if clip.person == person]
        places = np.linspace(0, len(theirs) - 1, min(CLIPS, len(theirs))).astype(int)
        kept += [theirs[place] for place in places]
    return kept


def _shares(clips: Sequence[Clip], count: int) -> list[int]:
    """How many examples each clip gives: a person as a root of their clips, lest one drown the others."""
    people = Counter(clip.person for clip in clips)
    weights = np.array([people[clip.person] ** (ROOT - 1) for clip in clips])
    ends = np.round(np.cumsum(weights) / weights.sum() * count).astype(int)
    return [int(share) for share in np.diff(ends, prepend=0)]
