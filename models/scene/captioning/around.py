"""What a captioner is shown: a target first, then the objects around it, B targets as one batch."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from torch import Tensor

from models.scene.data.geometry import box_gaps
from models.scene.objects.batching import PaddedObjects, padded, padded_objects
from models.scene.objects.object_set import Objects
from models.scene.objects.spatial_features import VIEW_WIDTH

NEAREST = 24


@dataclass(frozen=True, kw_only=True)
class Around(PaddedObjects):
    """B targets, each the first of its row, with the objects around them.

    true_names: (B, N, 384), views: (B, N, VIEW_WIDTH), what X-Trans2Cap's teacher sees instead of names and
    colours. facing: (B, N, 2) where each front looks to in plan, from which Scan2Cap learns the angles
    between objects; 0 where nobody knows it.
    """

    true_names: Tensor
    views: Tensor
    facing: Tensor


def places_around(objects: Objects, target: int, most: int = NEAREST) -> list[int]:
    """The target's place, then those of the objects nearest to it; its namesakes count as half as far."""
    gaps = box_gaps(objects.boxes[target : target + 1], objects.boxes)[0]
    peer = objects.names @ objects.names[target] > 0.95
    order = np.where(peer, gaps / 2, gaps)
    order[target] = -1
    return np.argsort(order, kind="stable")[:most].tolist()


def chosen(objects: Objects, places: Sequence[int]) -> Objects:
    """The objects at some places, in that order."""
    rows = list(places)
    return replace(
        objects,
        ids=objects.ids[rows],
        labels=tuple(objects.labels[place] for place in rows),
        names=objects.names[rows],
        boxes=objects.boxes[rows],
        colours=objects.colours[rows],
        confidence=objects.confidence[rows],
        shapes=objects.shapes[rows],
    )


def collate(
    shown: Sequence[Objects],
    true_names: Sequence[np.ndarray] | None = None,
    views: Sequence[np.ndarray] | None = None,
    facing: Sequence[np.ndarray] | None = None,
) -> Around:
    """A batch. shown: the objects of each caption, target first. The rest is for training, 0 without."""
    true_names = [np.zeros_like(item.names) for item in shown] if true_names is None else true_names
    views = [np.zeros((len(item), VIEW_WIDTH)) for item in shown] if views is None else views
    facing = [np.zeros((len(item), 2)) for item in shown] if facing is None else facing
    most = max(map(len, shown))
    return Around(
        **padded_objects(shown),
        true_names=padded(true_names, most),
        views=padded(views, most),
        facing=padded(facing, most),
    )
