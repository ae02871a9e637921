"""What a speaking face does that the sound does not tell: it blinks, and its head is never quite still.

Both are drawn from a seed, smooth, and small; the head moves more while it speaks.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.spatial.transform import Rotation

from models.face import FPS
from models.face.sources.mesh import BLENDSHAPES, EYES, VERTICES, canonical

if TYPE_CHECKING:
    from models.face.motion.face_motion import Motion
    from models.face.speech.features import Heard

Array = NDArray[np.float32]

# Closure of the lids, frame by frame: they fall faster than they rise (a third of a second in all).
BLINK = np.array([0.3, 0.85, 1.0, 0.9, 0.55, 0.25, 0.08], np.float32)
PAUSE = (2.0, 5.0)  # seconds from one blink to the next
# The fold above each upper lid, in the order of the lid's own vertices, and how far it follows.
FOLDS = ((247, 30, 29, 27, 28, 56, 190), (414, 286, 258, 257, 259, 260, 467))
FOLLOW = 0.4
TURN = np.array([1.0, 1.3, 0.8])  # degrees about x (nod), y (shake), z (tilt) while speaking
SHIFT = 0.12  # cm while speaking
STILL = 0.45  # how much of both is left in silence
NOD = 1.2  # degrees that the head sinks where the voice is loudest


@dataclass(frozen=True)
class Sway:
    """How the head moves, frame by frame: rotations (T, 3, 3) about its middle, shifts (T, 3) cm."""

    rotations: Array
    shifts: Array


def act(motion: "Motion", heard: "Heard", seed: int, rest: Array | None = None) -> tuple["Motion", Sway]:
    """The motion with blinks, and the head's sway; frame 0 is as it was.

    rest: the face's own vertices (478, 3) with open eyes, so that its lids meet; MediaPipe's where None.
    """
    rng = np.random.default_rng(seed)
    closure = closures(len(motion), rng)
    shapes = motion.blendshapes.copy()
    for name in ("eyeBlinkLeft", "eyeBlinkRight"):
        column = BLENDSHAPES.index(name)
        shapes[:, column] = np.maximum(shapes[:, column], closure)
    blinking = replace(motion, blendshapes=shapes).with_shape(closure, lid_paths(rest))
    return blinking, sway(heard, rng)


def closures(frames: int, rng: np.random.Generator) -> Array:
    """How far the eyes are shut in each frame, (T,) 0 to 1: a blink every two to five seconds."""
    closure = np.zeros(frames + len(BLINK), np.float32)
    at = rng.uniform(*PAUSE) / 2
    while (first := round(at * FPS)) < frames:
        closure[first : first + len(BLINK)] = BLINK
        at += rng.uniform(*PAUSE)
    return closure[:frames]


def lid_paths(rest: Array | None = None) -> Array:
    """Where each vertex goes when the eyes shut, (478, 3) cm: the upper lids down to the lower ones."""
    face = canonical() if rest is None else rest
    paths = np.zeros((VERTICES, 3), np.float32)
    for ring, fold in zip(EYES, FOLDS, strict=True):
        upper, lower = list(ring[1:8]), list(ring[:8:-1])
        gap = face[lower] - face[upper]
        paths[upper] = 0.92 * gap
        paths[lower] = -0.08 * gap
        paths[list(fold)] = FOLLOW * gap
    return paths


def sway(heard: "Heard", rng: np.random.Generator) -> Sway:
    """The head's slow drift while it listens, and its livelier motion while it speaks."""
    frames = len(heard)
    speaks = _smooth(heard.voiced.astype(np.float64), 0.4)
    lively = (STILL + (1 - STILL) * speaks)[:, None]
    begins = np.minimum(1, np.arange(frames) / FPS)[:, None]
    angles = TURN * _drift(frames, 3, rng) * lively
    stress = _smooth(heard.energy * heard.voiced, 0.12)
    angles[:, 0] += NOD * (stress - _smooth(stress, 1.0))
    rotations = Rotation.from_euler("xyz", begins * angles, degrees=True).as_matrix()
    shifts = SHIFT * _drift(frames, 3, rng) * lively * begins
    return Sway(rotations.astype(np.float32), shifts.astype(np.float32))


def _drift(frames: int, columns: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Smooth noise (frames, columns) of about unit size, of slow and of quicker swings."""
    lead = 4 * FPS  # so that the ends of a short sound are as lively as its middle
    noise = rng.standard_normal((2, frames + 2 * lead, columns))
    slow, quick = (
        gaussian_filter1d(part, seconds * FPS, axis=0) * np.sqrt(2 * np.sqrt(np.pi) * seconds * FPS)
        for part, seconds in zip(noise, (0.9, 0.3), strict=True)
    )
    return (0.85 * slow + 0.35 * quick)[lead : lead + frames].clip(-2, 2)


def _smooth(values: NDArray[Any], seconds: float) -> NDArray[np.float64]:
    return gaussian_filter1d(values, seconds * FPS, mode="nearest")
