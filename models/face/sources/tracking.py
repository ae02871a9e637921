"""A face is found and followed: MediaPipe's FaceLandmarker, pose taken out, smoothed without lag.

Each frame gives 478 vertices, 52 blendshapes and a pose. The pose is a
similarity fitted to the vertices that hold still in speech (`mesh.align`), so
what is left in a face's own space is its identity and its expression.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from scipy.signal import savgol_filter

from models.core.errors import UserError
from models.face import FPS
from models.face.sources import face_model, mesh
from models.face.sources.mouth_cover import is_covered

MANY = 12  # faces looked for in a still picture
EVERY = FPS  # frames of a film from one look for others to the next
COVER_EVERY = 5  # frames from one look whether the mouth is covered to the next
RIVAL = 0.6  # a second face is one when it is this tall in parts of the first
SMALLEST = 48  # pixels from hairline to chin
PROFILE = 45.0  # degrees the head may be turned or tilted in a portrait
SHAPE_WINDOW, POSE_WINDOW = 5, 7  # frames of the smoothing, second order


Face = tuple[np.ndarray, np.ndarray]  # (478, 3) pixels, (52,) blendshapes


@dataclass(frozen=True)
class Track:
    """A face followed through T frames.

    vertices: (T, 478, 3) float32 cm in the face's own space, the pose taken out.
    poses: (T, 3, 4) float32, see `mesh.project`.
    blendshapes: (T, 52) float32, 0 to 1, named by mesh.BLENDSHAPES.
    seen: (T,) bool; where False the rest is held from the nearest frame with a face.
    size: (height, width) of the frames. faces: the most of about the same size that were seen at once.
    covered: (T,) bool, where something lies over the mouth; None where nobody looked.
    """

    vertices: np.ndarray
    poses: np.ndarray
    blendshapes: np.ndarray
    seen: np.ndarray
    size: tuple[int, int]
    faces: int = 1
    covered: np.ndarray | None = None

    @cached_property
    def rest(self) -> np.ndarray:
        """The person's face at rest, (478, 3) cm: the mean of the tenth of frames whose lips are nearest."""
        shown = self.vertices[self.shown]
        gaps = mesh.lip_gap(shown)
        return np.asarray(shown[gaps <= np.quantile(gaps, 0.1)].mean(axis=0), np.float32)

    @cached_property
    def shown(self) -> np.ndarray:
        """(T,) bool: the frames in which the mouth is seen; where it never is, those with a face."""
        open_ = self.seen if self.covered is None else self.seen & ~self.covered
        return open_ if open_.any() else self.seen

    def deltas(self) -> np.ndarray:
        """What the face does beside resting, (T, 478, 3) cm."""
        return self.vertices - self.rest

    def part(self, start: int, count: int) -> "Track":
        """So many frames of it."""
        part = slice(start, start + count)
        covered = None if self.covered is None else self.covered[part]
        return replace(
            self,
            vertices=self.vertices[part],
            poses=self.poses[part],
            blendshapes=self.blendshapes[part],
            seen=self.seen[part],
            covered=covered,
        )

    def pixels(self) -> np.ndarray:
        """The vertices in the picture, (T, 478, 3), see `mesh.project`."""
        return mesh.project(self.poses, self.vertices)


def track_image(image: np.ndarray) -> Track:
    """The face of a portrait (H, W, 3) uint8, as a track of one frame.

    Raises UserError: no_face, many_faces, face_profile, face_small, and those of `bundle`.
    """
    with landmarker(MANY, moving=False) as find:
        found = _looked_for(find, image)
    if not found:
        raise UserError("no_face")
    if (count := _rivals(found)) > 1:
        raise UserError("many_faces", count=count)
    pixels, shapes = found[0]
    pose = mesh.align(pixels)
    _check(pose)
    own = mesh.unproject(pose, pixels)
    with landmarker(1, moving=False) as find_one:
        covered = np.array([is_covered(find_one, image, pixels)])
    return Track(own[None], pose[None], shapes[None], np.ones(1, bool), image.shape[:2], covered=covered)


def track_video(frames: Iterable[np.ndarray], covers: bool = False) -> Track:
    """The face in each of a clip's frames at 25 fps; frames without one are told by `seen`.

    covers: whether to look for what covers the mouth. Other faces are looked for once a second.
    Raises UserError("no_face") where no frame has one, ("face_small"), ("many_faces") judged on the first
    frame with a face, and those of `bundle`.
    """
    rows: list[tuple[np.ndarray, np.ndarray] | None] = []
    size, faces = (0, 0), 1
    looks: dict[int, bool] = {}
    with (
        landmarker(1, moving=True) as find,
        landmarker(MANY, moving=False) as find_all,
        landmarker(1, moving=False) as find_one,
    ):
        for index, frame in enumerate(frames):
            size = frame.shape[:2]
            found = find(frame, index)
            rows.append(found[0] if found else None)
            if covers and found and index % COVER_EVERY == 0:
                looks[index] = is_covered(find_one, frame, found[0][0])
            first = bool(found) and sum(row is not None for row in rows) == 1
            if first or index % EVERY == 0:
                count = _rivals(_by_size(find_all(frame, 0)))
                if first and count > 1:
                    raise UserError("many_faces", count=count)
                faces = max(faces, count)
    seen = np.array([row is not None for row in rows], bool)
    if not seen.any():
        raise UserError("no_face")
    there = np.flatnonzero(seen)
    nearest = there[np.abs(np.arange(len(rows))[:, None] - there).argmin(axis=1)]
    held = [row for index in nearest if (row := rows[index]) is not None]
    poses = np.stack([mesh.align(pixels) for pixels, _ in held])
    own = np.stack([mesh.unproject(pose, row[0]) for pose, row in zip(poses, held, strict=True)])
    shapes = np.stack([row[1] for row in held])
    if np.median([_tall(row[0]) for row in held]) < SMALLEST:
        raise UserError("face_small", least=SMALLEST)
    covered = _between(looks, len(rows)) if covers else None
    return Track(_smooth(own, SHAPE_WINDOW), _smooth(poses, POSE_WINDOW), shapes, seen, size, faces, covered)


def _between(looks: dict[int, bool], count: int) -> np.ndarray:
    """(count,) bool: covered from before the first look that found it so to after the last one.

    One look alone may have met a blurred frame: its neighbour, if there is one, has to find the same.
    """
    covered = np.zeros(count, bool)
    for index in (index for index, found in looks.items() if found):
        beside = [looks[at] for at in (index - COVER_EVERY, index + COVER_EVERY) if at in looks]
        if any(beside) or not beside:
            covered[max(0, index - COVER_EVERY + 1) : index + COVER_EVERY] = True
    return covered


@dataclass(frozen=True)
class Faces:
    """What is seen in some frames. most: faces of about the same size at once. covered: frames in which
    the mouth of the tallest is covered. frames: those with a face.
    """

    most: int = 0
    covered: int = 0
    frames: int = 0


def look_for_faces(frames: Iterable[np.ndarray]) -> Faces:
    """The faces of some frames (H, W, 3), each taken for itself."""
    most = covered = count = 0
    with landmarker(MANY, moving=False) as find:
        for frame in frames:
            found = _looked_for(find, frame)
            most = max(most, _rivals(found))
            count += bool(found)
            covered += bool(found) and is_covered(find, frame, found[0][0])
    return Faces(most, covered, count)


def _by_size(found: list[Face]) -> list[Face]:
    """Faces, the tallest first."""
    return sorted(found, key=lambda one: -_tall(one[0]))


def _rivals(found: list[Face]) -> int:
    """How many of some faces, tallest first, are about as tall as the first."""
    return sum(_tall(pixels) > RIVAL * _tall(found[0][0]) for pixels, _ in found) if found else 0


def _looked_for(find: Any, image: np.ndarray) -> list[Face]:
    """Faces of a picture, tallest first; where none is seen, those in quarters and ninths of it.

    The detector is made for a face near the camera: in a group each is too small for it.
    """
    found: list[Face] = find(image, 0)
    for parts in (2, 3):
        if found:
            break
        height, width = (side // parts for side in image.shape[:2])
        if min(height, width) < 2 * SMALLEST:
            break
        for row in range(2 * parts - 1):
            for column in range(2 * parts - 1):  # half over each other, so that no face is cut in all of them
                top, left = row * height // 2, column * width // 2
                for pixels, shapes in find(image[top : top + height, left : left + width], 0):
                    moved = pixels + np.array([left, top, 0], np.float32)
                    if not any(_same(moved, other) for other, _ in found):
                        found.append((moved, shapes))
    return _by_size(found)


def _same(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two faces lie over each other."""
    apart = np.linalg.norm(one[:, :2].mean(axis=0) - other[:, :2].mean(axis=0))
    return bool(apart < 0.4 * max(_tall(one), _tall(other)))


def _smooth(values: np.ndarray, window: int) -> np.ndarray:
    """A polynomial of second order over `window` frames: less noise, no lag."""
    if len(values) < window:
        return values
    return np.asarray(savgol_filter(values, window, 2, axis=0), np.float32)


def _tall(pixels: np.ndarray) -> float:
    return float(np.linalg.norm(pixels[mesh.TOP] - pixels[mesh.CHIN]))


def _check(pose: np.ndarray) -> None:
    """Raises UserError where a portrait's face is too small or looks too far away."""
    scale = float(np.linalg.norm(pose[:, 0]))
    if scale * mesh.face_height() < SMALLEST:
        raise UserError("face_small", least=SMALLEST)
    forward = -pose[2, 2] / scale  # cosine between where the face looks and the viewer
    angle = float(np.degrees(np.arccos(np.clip(forward, -1, 1))))
    if angle > PROFILE:
        raise UserError("face_profile", degrees=round(angle), limit=round(PROFILE))


@contextmanager
def landmarker(faces: int, moving: bool) -> Iterator[Any]:
    """A function (image, index) -> [(pixels (478, 3) float32, blendshapes (52,) float32)] of the faces."""
    import mediapipe as mp
    from mediapipe.tasks.python import BaseOptions, vision

    options = vision.FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_buffer=face_model.path().read_bytes()),
        running_mode=vision.RunningMode.VIDEO if moving else vision.RunningMode.IMAGE,
        num_faces=faces,
        output_face_blendshapes=True,
    )
    with vision.FaceLandmarker.create_from_options(options) as landmarker:

        def find(image: np.ndarray, index: int) -> list[tuple[np.ndarray, np.ndarray]]:
            picture = mp.Image(image_format=mp.ImageFormat.SRGB, data=np.ascontiguousarray(image))
            if moving:
                result = landmarker.detect_for_video(picture, round(index * 1000 / FPS))
            else:
                result = landmarker.detect(picture)
            height, width = image.shape[:2]
            scale = np.array([width, height, width], np.float32)
            return [
                (
                    np.array([(p.x, p.y, p.z) for p in points], np.float32) * scale,
                    np.array([shape.score for shape in shapes], np.float32),
                )
                for points, shapes in zip(result.face_landmarks, result.face_blendshapes, strict=True)
            ]

        yield find
