"""The objects of a scene as the network reads them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from models.scene.data.geometry import Array, box_iou
from models.scene.data.scan import Instance
from models.scene.synthetic_language.colour_names import names_of_colours

LABEL = 384
SHAPE = 128
TOUCHING = 0.15  # IoU from which a detection has something to say about a box


@dataclass(frozen=True)
class Objects:
    """N objects in the order of `ids`.

    ids: (N,). labels: raw names, "" where nothing is known. names: (N, 384) vectors of the labels, 0 for "".
    boxes: (N, 6) metres, axis-aligned. colours: (N, 3), 0 to 1. confidence: (N,), 0 to 1.
    shapes: (N, 128) of the point encoder, 0 without points. room: (6,) around all that was scanned.
    """

    ids: NDArray[np.int64]
    labels: tuple[str, ...]
    names: Array
    boxes: Array
    colours: Array
    confidence: Array
    shapes: Array
    room: Array

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def colour_names(self) -> list[list[str]]:
        """What people would call each one's colour, the likeliest first: see `names_of_colours`."""
        return names_of_colours(self.colours, self.boxes)


def from_instances(instances: Sequence[Instance], shapes: Array | None = None) -> Objects:
    """Objects of a scan's instances, annotated or predicted. shapes: (N, 128) or None."""
    boxes = np.stack([item.box for item in instances]).astype(np.float32)
    labels = tuple(item.label for item in instances)
    return Objects(
        np.array([item.id for item in instances]),
        labels,
        label_vectors(labels),
        boxes,
        (np.stack([item.colour for item in instances])[:, :3] / 255).astype(np.float32),
        np.array([item.confidence for item in instances], np.float32),
        shapes if shapes is not None else np.zeros((len(instances), SHAPE), np.float32),
        np.concatenate([boxes[:, :3].min(0), boxes[:, 3:].max(0)]),
    )


def label_vectors(labels: Sequence[str]) -> Array:
    """(N, 384) MiniLM vectors of labels, 0 for the empty one."""
    return (
        np.stack([_label_vector(label) for label in labels]) if labels else np.zeros((0, LABEL), np.float32)
    )


@cache
def _label_vector(label: str) -> Array:
    from models.core.text import phrase_vectors

    return phrase_vectors([label])[0].numpy() if label else np.zeros(LABEL, np.float32)


def relabelled(objects: Objects, detected: Objects) -> Objects:
    """The same boxes, named only by what a detector saw there: no annotated label is left.

    The name of a box is the mean of the vectors of the detections that overlap
    it, weighted by IoU squared and confidence; boxes without one stay unnamed.
    """
    overlap = box_iou(objects.boxes, detected.boxes)
    weight = np.where(overlap > TOUCHING, overlap**2 * detected.confidence, 0)
    total = weight.sum(1, keepdims=True)
    names = (weight @ detected.names / np.maximum(total, 1e-9)).astype(np.float32)
    best = weight.argmax(1)
    labels = tuple(detected.labels[b] if t > 0 else "" for b, t in zip(best, total[:, 0], strict=True))
    return replace(objects, labels=labels, names=names)
