"""How a film moves: optical flow between neighbouring frames, and what of it is the camera's."""

import itertools
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from models.colonoscopy.data.images import Frame

SIZE = 128  # pixels a side, in which flow is told
RIM = 16  # pixels at the border that are left out


def flows(frames: Sequence[Frame]) -> NDArray[np.float32]:
    """Dense flow (T - 1, SIZE, SIZE, 2) between neighbours, in pixels of SIZE (Kroeger et al., ECCV 2016)."""
    finder = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    small = [
        cv2.cvtColor(cv2.resize(one, (SIZE, SIZE), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
        for one in frames
    ]
    return np.stack(
        [
            np.asarray(finder.calc(one, other, np.zeros((SIZE, SIZE, 2), np.float32)), np.float32)
            for one, other in itertools.pairwise(small)
        ]
    )


def motion(frames: Sequence[Frame]) -> NDArray[np.float64]:
    """Of each pair of neighbours (T - 1, 5): mean flow, shift right, shift down, zoom in %, turn in %.

    Shift, zoom and turn are those of the affine motion that fits the flow best.
    """
    places = (np.arange(SIZE) + 0.5) / SIZE - 0.5
    x, y = np.meshgrid(places, places)
    within = np.zeros((SIZE, SIZE), bool)
    within[RIM:-RIM, RIM:-RIM] = True
    rows = np.stack([np.ones_like(x), x, y], -1)[within]
    found = []
    for flow in flows(frames):
        (right, x_x, x_y), *_ = np.linalg.lstsq(rows, flow[..., 0][within], rcond=None)
        (down, y_x, y_y), *_ = np.linalg.lstsq(rows, flow[..., 1][within], rcond=None)
        zoom, turn = (x_x + y_y) / 2 / SIZE, (y_x - x_y) / 2 / SIZE
        found.append([np.linalg.norm(flow, axis=-1).mean(), right, down, 100 * zoom, 100 * turn])
    return np.array(found)
