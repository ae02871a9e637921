"""The face lab's one door: track a face, hear a sound, draw the face that speaks. Networks load late."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from models.core.checkpoints import CheckpointCard, all_cards
from models.core.progress import Progress
from models.face.media import (
    FPS,
    Frame,
    Sound,
    frame_count,
    read_frames,
    read_picture,
    read_sound,
    write_video,
)

if TYPE_CHECKING:
    from models.face.audio2mesh import FaceMotion, Motion
    from models.face.tracking import Portrait, Track

SIZE = 512  # pixels of the 3D animation's square
SOUND_RATE = 48_000  # of the sound that is written beside the pictures
STEPS = 25  # frames between two words of progress


@dataclass(frozen=True)
class Animated:
    """A finished video. frames: its pictures, 25 a second. seconds: its length."""

    path: Path
    frames: int
    seconds: float


def track(path: Path) -> "Track":
    """The face of a video. Raises as media.read_frames and tracking.track do."""
    from models.face import tracking

    return tracking.track(read_frames(path))


def open_portrait(path: Path) -> "Portrait":
    """The face of a picture. Raises as media.read_picture and tracking.portrait do."""
    from models.face import tracking

    return tracking.portrait(read_picture(path))


def speak(sound: Sound) -> "Motion":
    """The motion that a sound (16 kHz) gives a face. Raises UserError for a missing checkpoint or package."""
    from models.face.speech import hear

    return _network().predict(hear(sound))


def animate(portrait: Path, audio: Path, out: Path) -> Iterator[Progress | Animated]:
    """Writes the portrait's mesh speaking as an mp4: progress with the latest frame, at last what was made.

    Raises UserError where a file can't be read, the portrait shows no single face from the front, or nothing
    can be written; closing the iterator stops the work and leaves nothing behind.
    """
    from models.face import render
    from models.face.audio2mesh import closed

    face = open_portrait(portrait)
    yield Progress(0.02, "face_listens")
    motion = speak(read_sound(audio))
    neutral = closed(face.vertices, motion.basis)
    pose = render.framed(neutral, face.pose, SIZE)
    sound = read_sound(audio, SOUND_RATE)
    wanted = frame_count(sound, SOUND_RATE)

    def drawn() -> Iterator[Frame]:
        for number in range(wanted):
            at = min(number, len(motion.coefficients) - 1)
            moved = neutral + motion.displacements(slice(at, at + 1))[0]
            yield render.draw(moved, pose, SIZE, SIZE)

    yield Progress(0.1, "face_draws", render.draw(neutral, pose, SIZE, SIZE))
    for count, picture in write_video(out, drawn(), sound, SOUND_RATE):
        if count % STEPS == 0:
            yield Progress(0.1 + 0.9 * count / wanted, "face_draws", picture)
    yield Animated(out, wanted, wanted / FPS)


def write_blendshapes(track: "Track", path: Path) -> None:
    """A row a frame: its number, whether a face was seen, ARKit's names as columns."""
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("frame", "seen", *track.names))
        for number, (seen, shapes) in enumerate(zip(track.seen, track.blendshapes, strict=True)):
            rows.writerow((number, int(seen), *(f"{value:.4f}" for value in shapes)))


def write_vertices(track: "Track", path: Path) -> None:
    """An npz of vertices (T, 478, 3) in face space (cm), pose (rotation, scale, shift) and seen (T,)."""
    pose = track.pose
    with path.open("wb") as file:
        np.savez_compressed(
            file,
            vertices=track.vertices,
            rotation=pose.rotation,
            scale=pose.scale,
            shift=pose.shift,
            seen=track.seen,
            blendshapes=track.blendshapes,
        )


def cards() -> list[CheckpointCard]:
    """Cards of the lab's checkpoints."""
    return all_cards("face")


@cache
def _network() -> "FaceMotion":
    from models.core.checkpoints import load_checkpoint
    from models.core.device import best
    from models.face.audio2mesh import FaceMotion

    network: FaceMotion = load_checkpoint(FaceMotion, "face_motion").to(best())
    return network
