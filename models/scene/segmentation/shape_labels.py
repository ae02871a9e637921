"""Names for what PointGroup only calls "other": the point encoder names it by its shape, where it is sure.

ScanNet's benchmark has 37 named classes and three for the rest ("otherprop" ...), which nobody asks for. The
encoder of `shapes` was taught 109 labels: monitor, trash can, backpack, shoes ...
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from models.scene.data.nyu40 import OTHER
from models.scene.objects.point_encoder import ShapeEncoder
from models.scene.synthetic_language.vocabulary import STRUCTURE

UNNAMED = "object"
SURE = 0.35  # of 105 objects in 12 val scenes about half were named at that, six of ten rightly


@torch.inference_mode()
def named(
    encoder: ShapeEncoder, clouds: Sequence[NDArray[np.float32]], classes: Sequence[str], floor: float
) -> list[str]:
    """The label of each object: its class, or for OTHER what its shape says, or UNNAMED.

    clouds: (P, 3) metres of each, z up. floor: its height there.
    """
    labels = list(classes)
    unsure = [place for place, kind in enumerate(classes) if kind in OTHER]
    features = torch.from_numpy(encoder.encode([clouds[place] for place in unsure], floor))
    head = encoder.classify
    likely = head(features.to(head.weight.device)).softmax(1).cpu() if unsure else features
    for place, row in zip(unsure, likely, strict=True):
        best = encoder.classes[int(row.argmax())]
        labels[place] = best if row.max() > SURE and best not in STRUCTURE else UNNAMED
    return labels
