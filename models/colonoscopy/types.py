"""What the lab's networks answer about a frame, in plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from models.colonoscopy.data.images import Frame, Mask


@dataclass(frozen=True)
class Box:
    """A detected polyp: corners in pixels of the frame, right and bottom excluded, and confidence, 0 to 1."""

    left: float
    top: float
    right: float
    bottom: float
    confidence: float


@dataclass(frozen=True)
class Finding:
    """What several networks find in one frame.

    masks: (H, W) of each segmenter, by name. boxes: of each detector, the surest first. dice: of each
    segmenter with the mask that the frame was drawn for, {} where there is none. agreement: the least Dice of
    any two segmenters, None for one alone.
    """

    name: str
    frame: Frame = field(repr=False)
    masks: Mapping[str, Mask] = field(repr=False)
    boxes: Mapping[str, tuple[Box, ...]]
    dice: Mapping[str, float]
    agreement: float | None
