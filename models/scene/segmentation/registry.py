"""The methods of instance segmentation."""

from typing import TYPE_CHECKING, Any

from models.core.registry import Method, Registry

if TYPE_CHECKING:
    from models.scene.segmentation.base import InstanceSegmenter


def _pointgroup(kind: type[Any], checkpoint: str) -> "InstanceSegmenter":
    from models.scene.segmentation.predictor import Segmenter

    return Segmenter(checkpoint)


SEGMENTERS: "Registry[InstanceSegmenter]" = Registry(
    "segmentation",
    Method(
        "pointgroup",
        "PointGroup",
        "Jiang et al., CVPR 2020",
        "pointgroup",
        "models.scene.segmentation.pointgroup:PointGroup",
        _pointgroup,
        ("shapes",),
    ),
)
