"""The methods of instance segmentation: one entry, and what a person imported."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.core.registry import Method, Published, Registry

if TYPE_CHECKING:
    from models.scene.segmentation.predictor import Segmenter

PAPER = "Jiang et al., CVPR 2020"


def _load(checkpoint: str) -> "Segmenter":
    from models.scene.segmentation.predictor import Segmenter

    return Segmenter(checkpoint)


def _read(file: Path) -> Any:
    from models.scene.segmentation.pointgroup import PointGroup

    return PointGroup.from_published(file)


SEGMENTERS: "Registry[Segmenter]" = Registry(
    "segmentation",
    Method("pointgroup", "PointGroup", PAPER, "pointgroup", partial(_load, "pointgroup")),
    published=(Published("pointgroup", "PointGroup", PAPER, _read, _load),),
)
