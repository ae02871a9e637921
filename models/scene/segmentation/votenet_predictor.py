"""The predictor around VoteNet: a raw scan gets the objects whose boxes it detects.

A box says where an object is, not which points are its own: they are those inside that don't lie on the
floor.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from models.core import device
from models.core.checkpoints import load_checkpoint
from models.core.progress import Progress
from models.scene.data.scan import Scan
from models.scene.segmentation.clusters import Members
from models.scene.segmentation.detection import Detections, detect
from models.scene.segmentation.predictor import Found, last, upright, with_found
from models.scene.segmentation.votenet import VoteNet
from models.scene.types import Segmented

SHOWN_SCORE = 0.3
FLOOR = 0.03  # metres: what lies lower belongs to no object
LEAST_POINTS = 20


class VoteNetSegmenter:
    """Loads the checkpoint once and finds the objects of scans."""

    def __init__(self, checkpoint: str) -> None:
        """Raises UserError("checkpoint_missing" or "checkpoint_broken") naming the file."""
        self.network: VoteNet = load_checkpoint(VoteNet, checkpoint).to(device.best())

    def __call__(self, scan: Scan) -> Segmented:
        """See InstanceSegmenter."""
        return last(self.steps(scan))

    def steps(self, scan: Scan) -> Iterator[Progress | Segmented]:
        """See InstanceSegmenter."""
        yield Progress(0.0, "find_level")
        scan, level, xyz = upright(scan)
        yield Progress(0.3, "find_read")
        found, classes = with_points(detect(self.network, xyz), xyz)
        yield with_found(scan, level, found, classes, classes)


def with_points(detections: Detections, xyz: NDArray[np.float32]) -> tuple[Found, list[str]]:
    """The surer detections with the points inside their boxes, best first, and their classes."""
    members: list[Members] = []
    kept: list[int] = []
    inside = points_in(detections.boxes, xyz)
    for place in np.argsort(-detections.scores, kind="stable"):
        if detections.scores[place] >= SHOWN_SCORE and len(inside[place]) >= LEAST_POINTS:
            members.append(inside[place])
            kept.append(int(place))
    nothing = np.full(len(xyz), -1, np.int64)  # a detector says nothing of single points
    classes = [detections.classes[place] for place in kept]
    scores = [float(detections.scores[place]) for place in kept]
    return Found(nothing, members, list(range(len(kept))), scores), classes


def points_in(boxes: NDArray[np.float32], xyz: NDArray[np.float32]) -> list[Members]:
    """The points in each of N boxes (N, 6) that don't lie on the floor, at 0. xyz: (P, 3) metres."""
    above = np.flatnonzero(xyz[:, 2] > FLOOR)
    return [above[((xyz[above] >= box[:3]) & (xyz[above] <= box[3:])).all(1)] for box in boxes]
