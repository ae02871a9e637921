"""Who is shown: a still portrait whose head sways, or a video that keeps its own head motion.

Either gives, for each frame of the result, the picture it starts from and where
its face is and shall be.
"""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Protocol

import cv2
import numpy as np

from models.face.sources import mesh
from models.face.sources.close_mouth import closed
from models.face.sources.film_io import Clip, read_clip
from models.face.sources.tracking import Track, track_image, track_video

if TYPE_CHECKING:
    from models.face.sources.head_motion import Sway

QUALITY = 96  # of the JPEGs that a video waits in until it is drawn
EYES_FROM, MOUTH_TO = (
    0.5,
    -2.2,
)  # cm, heights between which a video's own face goes over into the predicted one


@dataclass(frozen=True)
class Shot:
    """What one frame starts from. image: (H, W, 3) uint8; now, target: faces (478, 3) in pixels.

    vertices: the target in the face's own space, (478, 3) cm; pose: (3, 4) to the target's pixels; seen:
    whether the source has a face there at all; covered: whether something lies over its mouth.
    """

    image: np.ndarray
    pose: np.ndarray
    now: np.ndarray
    target: np.ndarray
    vertices: np.ndarray
    seen: bool = True
    covered: bool = False

    @property
    def untouched(self) -> bool:
        """Whether the frame stays as the source has it: there is no mouth to be seen in it."""
        return self.covered or not self.seen


class Sitter(Protocol):
    """size: (height, width) of the frames. rest: the face with closed lips, (478, 3) cm."""

    size: tuple[int, int]
    rest: np.ndarray

    def shot(self, index: int, delta: np.ndarray) -> Shot:
        """Frame `index` of the result, moved by delta (478, 3) cm from rest."""

    def widest(self) -> tuple[np.ndarray, np.ndarray]:
        """The frame (H, W, 3) with the most open mouth, and its face (478, 3) in pixels."""

    def box(self) -> tuple[int, int, int]:
        """Left, top and side of the square around the head, in pixels, inside of the frame where it fits."""


class Portrait:
    """A picture (H, W, 3) uint8, and its track where that is known. Raises as `track_image` does."""

    def __init__(self, image: np.ndarray, track: Track | None = None) -> None:
        self.image, self.size = image, image.shape[:2]
        self.track = track or track_image(image)
        self._pose, self._own = self.track.poses[0], self.track.vertices[0]
        self._now = mesh.project(self._pose, self._own)
        self.rest = closed(self._own)
        self.sway: Sway | None = None

    def shot(self, index: int, delta: np.ndarray) -> Shot:
        """See `Sitter`."""
        vertices = self.rest + delta
        pose = self._pose
        if self.sway is not None:
            pose = mesh.turned(self.sway.rotations[index], self.sway.shifts[index], pose)
        return Shot(self.image, pose, self._now, mesh.project(pose, vertices), vertices)

    def widest(self) -> tuple[np.ndarray, np.ndarray]:
        """See `Sitter`."""
        return self.image, self._now

    def box(self) -> tuple[int, int, int]:
        """See `Sitter`."""
        return _square(self._now, self.size)


class Footage:
    """A video, played forward and back again while the sound lasts. Its frames wait on the disk.

    count: how many frames are wanted at most. Raises as `read_clip` and `track_video` do.
    """

    def __init__(self, clip: Clip, count: int) -> None:
        self.size = (clip.height, clip.width)
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as this
        self._places: list[tuple[int, int]] = []
        self.track = self._tracked(frame for frame, _ in zip(read_clip(clip), range(count), strict=False))
        self.rest = closed(self.track.rest)
        self._pixels = self.track.pixels()

    def _tracked(self, frames: Iterable[np.ndarray]) -> Track:
        def kept() -> Iterable[np.ndarray]:
            for frame in frames:
                data = cv2.imencode(".jpg", frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[
                    1
                ].tobytes()
                self._places.append((self._file.tell(), len(data)))
                self._file.write(data)
                yield frame

        return track_video(kept(), covers=True)

    def image(self, place: int) -> np.ndarray:
        """A frame of the video, (H, W, 3) uint8."""
        at, length = self._places[place]
        self._file.seek(at)
        data = np.frombuffer(self._file.read(length), np.uint8)
        image = cv2.imdecode(data, cv2.IMREAD_COLOR)
        assert image is not None
        return np.ascontiguousarray(image[..., ::-1])

    def shot(self, index: int, delta: np.ndarray) -> Shot:
        """See `Sitter`. The lower face is the predicted one, the upper face stays the video's."""
        place = self.place(index)
        own, now = self.track.vertices[place], self._pixels[place]
        vertices = own + lower_share()[:, None] * (self.rest + delta - own)
        pose = self.track.poses[place]
        target = mesh.project(pose, vertices)
        covered = self.track.covered is not None and bool(self.track.covered[place])
        return Shot(self.image(place), pose, now, target, vertices, bool(self.track.seen[place]), covered)

    def place(self, index: int) -> int:
        """Which frame of the video is shown in frame `index` of the result."""
        count = len(self._places)
        turn = index % max(1, 2 * count - 2)
        return turn if turn < count else 2 * count - 2 - turn

    def widest(self) -> tuple[np.ndarray, np.ndarray]:
        """See `Sitter`."""
        gaps = np.where(self.track.shown, mesh.lip_gap(self.track.vertices), -1)
        place = int(gaps.argmax())
        return self.image(place), self._pixels[place]

    def box(self) -> tuple[int, int, int]:
        """See `Sitter`."""
        return _square(np.median(self._pixels[self.track.seen], axis=0), self.size)


@cache
def lower_share() -> np.ndarray:
    """How much of each vertex is the mouth's: (478,) float32, 1 below the nose, 0 at the eyes."""
    height = np.concatenate([mesh.canonical()[:, 1], np.full(mesh.VERTICES - mesh.SKIN, 3.0)])
    share = np.clip((EYES_FROM - height) / (EYES_FROM - MOUTH_TO), 0, 1)
    return (share * share * (3 - 2 * share)).astype(np.float32)


def _square(face: np.ndarray, size: tuple[int, int]) -> tuple[int, int, int]:
    low, high = face[:, :2].min(axis=0), face[:, :2].max(axis=0)
    middle, tall = (low + high) / 2 - (0, 0.1 * (high[1] - low[1])), high[1] - low[1]
    side = int(min(*size, max(64, 1.9 * tall)))
    left, top = (middle - side / 2).round().astype(int)
    return int(np.clip(left, 0, size[1] - side)), int(np.clip(top, 0, size[0] - side)), side
