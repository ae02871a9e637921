"""Several segmenters and detectors look at a frame, and where they disagree is told."""

import itertools
from collections.abc import Sequence

import numpy as np

from models.colonoscopy.data.images import Frame, Mask
from models.colonoscopy.types import Finding


def find(
    name: str,
    frame: Frame,
    segmenters: Sequence[str],
    detectors: Sequence[str] = (),
    drawn: Mask | None = None,
) -> Finding:
    """What networks, by their names in the registries, find in a frame; boxes from each one's threshold on.

    drawn: the mask (H, W) that the frame was drawn for. Raises UserError as `Registry.loaded` does.
    """
    from models.colonoscopy.detection.registry import DETECTORS
    from models.colonoscopy.segmentation.base import mask_of
    from models.colonoscopy.segmentation.metrics import dice
    from models.colonoscopy.segmentation.registry import SEGMENTERS

    masks = {one: mask_of(SEGMENTERS.loaded(one)(frame), *frame.shape[:2]) for one in segmenters}
    boxes = {}
    for one in detectors:
        detector = DETECTORS.loaded(one)
        boxes[one] = tuple(box for box in detector(frame) if box.confidence >= detector.threshold)
    pairs = itertools.combinations(masks.values(), 2)
    return Finding(
        name=name,
        frame=frame,
        masks=masks,
        boxes=boxes,
        dice={} if drawn is None else {one: dice(mask, drawn) for one, mask in masks.items()},
        agreement=min((dice(a, b) for a, b in pairs), default=None),
    )


def disputed(finding: Finding) -> Mask:
    """Where (H, W) some segmenters see polyp and others don't."""
    seen = np.stack(list(finding.masks.values()))
    return np.asarray(seen.any(axis=0) & ~seen.all(axis=0))
