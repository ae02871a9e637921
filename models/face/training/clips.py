"""Clips of the data folder, tracked once and kept in runs/face/clips, and who may be learnt from.

People are told apart by looking at the clips: the files of lipreading_course and grid_others are
named by what is said. Held-out people are never trained on, in any clip.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.core.errors import UserError
from models.core.training import RUNS
from models.face.media import Sound, frame_count, read_frames, read_sound
from models.face.tracking import Floats, track

CACHE = RUNS / "face" / "clips"
SETS = ("grid_s1", "grid_others", "vidtimit", "lipreading_course")

# Of grid_s1's 400 clips, by a hash of their names, about 40 are for choosing and 40 for testing.
VALIDATION, TEST = 40, 40
# The people of grid_others that are learnt from; eight others, and the one of vidtimit, are not.
LEARNT_GRID = (
    "bbaf2n",
    "id2_vcd_swwp2s",
    "lbax4n",
    "lrwp9a",
    "pwij3p",
    "sbia1a",
    "swiz3n",
    "video_20251207_154307_b7d7e7a1",
    "video_20251207_154657_cc42ea12",
    "video_20251208_015857_cac80689",
)
# Two of six actors of lipreading_course are held out: those called Jen and Nicole.
HELD_OUT_ACTORS = (
    "missing__happy_birthday",
    "missing__its_been_years_since_i_last_saw_you",
    "missing__what_are_your_hobbies",
    "missing__would_you_like_something_to_drink",
    "sentences__how_are_you",
    "sentences__how_many_is_the_table_for",
    "sentences__how_would_you_like_your_steak",
    "sentences__lets_get_dessert",
    "sentences__what_are_your_hobbies",
    "sentences__what_fish_do_you_prefer",
    "sentences__whats_the_address",
    "sentences__would_you_like_a_table_for_two",
    "sentences__would_you_like_something_to_drink_n",
    "words__jen_",
    "words__nicole_",
)


@dataclass(frozen=True)
class Clip:
    """A tracked clip of T frames: vertices (T, 478, 3) in face space, blendshapes (T, 52), sound at 16 kHz.

    name: of its file, without the ending. part: the set it belongs to.
    """

    name: str
    part: str
    vertices: Floats
    blendshapes: Floats
    sound: Sound
    seen: NDArray[np.bool_]


def read_clip(path: Path, part: str) -> Clip:
    """A clip, from the cache where it was tracked before. Raises as media and tracking do."""
    kept = CACHE / part / f"{path.stem}-{path.stat().st_size}.npz"
    if not kept.is_file():
        found = track(read_frames(path))
        sound = read_sound(path)
        kept.parent.mkdir(parents=True, exist_ok=True)
        partial = kept.with_suffix(".part.npz")
        np.savez(
            partial, vertices=found.vertices, blendshapes=found.blendshapes, sound=sound, seen=found.seen
        )
        partial.replace(kept)
    with np.load(kept) as data:
        vertices, shapes, sound, seen = (data[key] for key in ("vertices", "blendshapes", "sound", "seen"))
    frames = min(len(vertices), frame_count(sound))
    return Clip(path.stem, part, vertices[:frames], shapes[:frames], sound, seen[:frames])


def read_folder(folder: Path) -> Iterator[Clip]:
    """All videos of a folder that can be tracked, by name; those that can't are named on the way."""
    for path in sorted(folder.glob("*.mp4")):
        try:
            clip = read_clip(path, folder.name)
        except UserError as error:
            print(f"left out: {path.name}: {error}", flush=True)
            continue
        if clip.seen.mean() > 0.5:
            yield clip


def division(clip: Clip) -> str:
    """train, val or test: what a clip of the data folder is for. No person of a test is in train but s1."""
    if clip.part == "grid_s1":
        place = int(hashlib.sha256(clip.name.encode()).hexdigest(), 16) % 400
        return "test" if place < TEST else "val" if place < TEST + VALIDATION else "train"
    if clip.part == "grid_others":
        return "train" if clip.name in LEARNT_GRID else "test"
    if clip.part == "lipreading_course":
        return "test" if clip.name.removeprefix("lipread_").startswith(HELD_OUT_ACTORS) else "train"
    return "test"
