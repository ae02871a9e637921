"""A face in pictures: MediaPipe's 478 vertices, 52 blendshapes and the pose, frame by frame.

"Face space" is MediaPipe's canonical frame (cm, x right, y up, z to the viewer) with the head's
turn, place and size taken out by a similarity transform (Umeyama 1991) of vertices that don't
move when one speaks. A clip is whole when it is tracked, so jitter is taken out by a filter that
looks both ways and delays nothing (Savitzky and Golay 1964); a One-Euro filter would lag behind
the sound.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import savgol_filter

from models.core.errors import UserError
from models.face.media import FPS, Frame
from models.face.topology import (
    CHIN,
    FOREHEAD,
    LEFT_CORNER,
    LOWER_INNER,
    RIGHT_CORNER,
    UPPER_INNER,
    bundle,
    canonical,
    stable,
)

Floats = NDArray[np.float32]

BLENDSHAPES = 52
SMALLEST = 48  # pixels from forehead to chin, under which nothing can be said of lips
BESIDE = 0.6  # a second face of this share of the first one's size makes it unclear whose face is meant
PROFILE = 50.0  # degrees that a portrait may be turned
WINDOW, DEGREE = 5, 2  # of the Savitzky-Golay filter
REST = 0.2  # share of a clip's frames, those with the lips closest, that show the face at rest


@dataclass(frozen=True)
class Pose:
    """Where a face is in its picture: pixels = scale * rotation @ face space + shift, y and z turned about.

    rotation: (..., 3, 3). scale: (...,) pixels a cm. shift: (..., 3).
    """

    rotation: Floats
    scale: Floats
    shift: Floats

    def pixels(self, vertices: Floats) -> Floats:
        """Face space (..., V, 3) to columns, rows and depth in pixels, depth growing away from the viewer."""
        placed = self.scale[..., None, None] * vertices @ np.swapaxes(self.rotation, -1, -2)
        return np.asarray((placed + self.shift[..., None, :]) * (1, -1, -1), np.float32)


@dataclass(frozen=True)
class Track:
    """A tracked clip of T frames.

    vertices: (T, 478, 3) in face space, of frames without a face those of the nearest one with it.
    blendshapes: (T, 52) in [0, 1], MediaPipe's order (`names`). pose: of each frame, filled likewise.
    seen: (T,) bool, where a face was found. size: width and height of the frames.
    """

    vertices: Floats
    blendshapes: Floats
    pose: Pose
    seen: NDArray[np.bool_]
    size: tuple[int, int]
    names: tuple[str, ...]


@dataclass(frozen=True)
class Portrait:
    """One face in one picture: face space (478, 3), its pose, and the blendshapes (52,)."""

    vertices: Floats
    pose: Pose
    blendshapes: Floats
    size: tuple[int, int]


@dataclass(frozen=True)
class _Found:
    points: Floats
    blendshapes: Floats
    names: tuple[str, ...]


@contextmanager
def _landmarker(video: bool) -> Iterator[Any]:
    from mediapipe.tasks.python import BaseOptions
    from mediapipe.tasks.python.vision import FaceLandmarker, FaceLandmarkerOptions, RunningMode

    # Two faces asked for: MediaPipe's own filter, which lags, works on one face only.
    options = FaceLandmarkerOptions(
        base_options=BaseOptions(model_asset_path=str(bundle())),
        running_mode=RunningMode.VIDEO if video else RunningMode.IMAGE,
        output_face_blendshapes=True,
        num_faces=2,
    )
    with FaceLandmarker.create_from_options(options) as landmarker:
        yield landmarker


def _faces(result: Any, width: int, height: int) -> list[_Found]:
    """Faces of a result, the largest first, in pixels with y up and z to the viewer."""
    found = []
    for marks, shapes in zip(result.face_landmarks, result.face_blendshapes, strict=True):
        points = np.array([(mark.x * width, -mark.y * height, -mark.z * width) for mark in marks], np.float32)
        found.append(
            _Found(
                points,
                np.array([shape.score for shape in shapes], np.float32),
                tuple(shape.category_name for shape in shapes),
            )
        )
    return sorted(found, key=lambda face: -_height(face.points))


def _height(points: Floats) -> float:
    return float(np.linalg.norm(points[FOREHEAD] - points[CHIN]))


def similarity(source: Floats, target: Floats) -> tuple[Floats, Floats, Floats]:
    """Rotations (T, 3, 3), scales (T,) and shifts (T, 3) that bring (N, 3) nearest to (T, N, 3) (Umeyama)."""
    mean, means = source.mean(0), target.mean(1)
    left, right = source - mean, target - means[:, None]
    U, S, Vt = np.linalg.svd(np.einsum("tni,nj->tij", right, left))
    sign = np.ones_like(S)
    sign[:, 2] = np.sign(np.linalg.det(U) * np.linalg.det(Vt))
    R = (U * sign[:, None]) @ Vt
    scale = (S * sign).sum(1) / (left**2).sum()
    shift = means - scale[:, None] * (R @ mean)
    return R.astype(np.float32), scale.astype(np.float32), shift.astype(np.float32)


def _posed(points: Floats) -> tuple[Floats, Pose]:
    """(T, 478, 3) pixels to face space and poses."""
    marks = stable()
    R, scale, shift = similarity(canonical().vertices[marks], points[:, marks])
    vertices = (points - shift[:, None]) @ R / scale[:, None, None]
    return vertices.astype(np.float32), Pose(R, scale, shift)


def portrait(frame: Frame) -> Portrait:
    """The face of a picture (H, W, 3).

    Raises UserError: face_none, face_several, face_small, face_profile, and those of topology.bundle.
    """
    import mediapipe as mp

    height, width = frame.shape[:2]
    with _landmarker(video=False) as landmarker:
        result = landmarker.detect(mp.Image(mp.ImageFormat.SRGB, np.ascontiguousarray(frame)))
    faces = _faces(result, width, height)
    if not faces:
        raise UserError("face_none")
    if len(faces) > 1 and _height(faces[1].points) > BESIDE * _height(faces[0].points):
        raise UserError("face_several")
    if _height(faces[0].points) < SMALLEST:
        raise UserError("face_small", pixels=round(_height(faces[0].points)), least=SMALLEST)
    vertices, pose = _posed(faces[0].points[None])
    turned = abs(turn(pose)[0])
    if turned > PROFILE:
        raise UserError("face_profile", degrees=round(turned), most=round(PROFILE))
    one = Pose(pose.rotation[0], pose.scale[0], pose.shift[0])
    return Portrait(vertices[0], one, faces[0].blendshapes, (width, height))


def turn(pose: Pose) -> Floats:
    """Degrees that faces are turned to the side, about the vertical."""
    return np.degrees(np.arctan2(pose.rotation[..., 0, 2], pose.rotation[..., 2, 2]))


def track(frames: Iterable[Frame]) -> Track:
    """The largest face of each frame of a clip, of which one frame at a time is kept.

    Raises UserError: face_none where no frame has one, face_small, and those of topology.bundle.
    """
    import mediapipe as mp

    found: list[_Found | None] = []
    size = (0, 0)
    with _landmarker(video=True) as landmarker:
        for number, frame in enumerate(frames):
            height, width = frame.shape[:2]
            size = (width, height)
            image = mp.Image(mp.ImageFormat.SRGB, np.ascontiguousarray(frame))
            faces = _faces(landmarker.detect_for_video(image, number * 1000 // FPS), width, height)
            found.append(faces[0] if faces else None)
    seen = np.array([face is not None for face in found], bool)
    present = [face for face in found if face is not None]
    if not present:
        raise UserError("face_none")
    points = np.stack([face.points for face in present])
    tall = float(np.median([_height(face) for face in points]))
    if tall < SMALLEST:
        raise UserError("face_small", pixels=round(tall), least=SMALLEST)
    nearest = _nearest(seen)
    vertices, pose = _posed(_smooth(points[nearest]))
    shapes = _smooth(np.stack([face.blendshapes for face in present])[nearest])
    return Track(_smooth(vertices), shapes, pose, seen, size, present[0].names)


def _nearest(seen: NDArray[np.bool_]) -> NDArray[np.int64]:
    """For each frame the place, among the frames with a face, of the nearest of them."""
    places = np.flatnonzero(seen)
    return np.abs(np.arange(len(seen))[:, None] - places).argmin(1)


def _smooth(values: Floats) -> Floats:
    """Values (T, ...) over time, the filter shortened where the clip is shorter."""
    window = min(WINDOW, len(values) - 1 + len(values) % 2)
    if window <= DEGREE:
        return values
    return np.asarray(savgol_filter(values, window, DEGREE, axis=0), np.float32)


def lip_gap(vertices: Floats) -> Floats:
    """How far the inner lips are apart, (..., 478, 3) to (...,), in cm."""
    apart = vertices[..., UPPER_INNER, :] - vertices[..., LOWER_INNER, :]
    return np.linalg.norm(apart, axis=-1).mean(-1)


def mouth_width(vertices: Floats) -> Floats:
    """From corner to corner of the mouth, (..., 478, 3) to (...,), in cm."""
    return np.linalg.norm(vertices[..., LEFT_CORNER, :] - vertices[..., RIGHT_CORNER, :], axis=-1)


def rest(vertices: Floats) -> Floats:
    """The identity of a clip (T, 478, 3): its mean face (478, 3) over the frames with the lips closest."""
    gaps = lip_gap(vertices)
    return vertices[np.argsort(gaps)[: max(1, round(REST * len(gaps)))]].mean(0)


def blendshape_names() -> tuple[str, ...]:
    """MediaPipe's 52 blendshapes in its order: ARKit's, with a neutral first and without the tongue."""
    from mediapipe.tasks.python.vision.face_landmarker import Blendshapes

    return tuple("_neutral" if shape is Blendshapes.NEUTRAL else _camel(shape.name) for shape in Blendshapes)


def _camel(name: str) -> str:
    first, *more = name.lower().split("_")
    return first + "".join(part.capitalize() for part in more)
