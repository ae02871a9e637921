"""The methods of polyp detection, best first, and the boxes of a mask, which they have to beat."""

from typing import TYPE_CHECKING, Any

from models.core.registry import Method, Registry

if TYPE_CHECKING:
    from models.colonoscopy.detection.base import PolypDetector

HERE = "models.colonoscopy.detection"


def _network(kind: type[Any], checkpoint: str) -> "PolypDetector":
    from models.colonoscopy.detection.base import load

    return load(kind, checkpoint)


def _mask_boxes(kind: type[Any], checkpoint: str) -> "PolypDetector":
    from models.colonoscopy.detection.base import MaskDetector
    from models.colonoscopy.segmentation.registry import SEGMENTERS

    return MaskDetector(SEGMENTERS.loaded(checkpoint))


DETECTORS: "Registry[PolypDetector]" = Registry(
    "detection",
    Method(
        "sparse_rcnn",
        "Sparse R-CNN",
        "Sun et al., CVPR 2021",
        "sparse_rcnn",
        f"{HERE}.sparse_rcnn:SparseRCNN",
        _network,
    ),
    Method(
        "deformable_detr",
        "Deformable DETR",
        "Zhu et al., ICLR 2021",
        "deformable_detr",
        f"{HERE}.deformable_detr:DeformableDETR",
        _network,
    ),
    Method(
        "centernet", "CenterNet", "Zhou et al., 2019", "centernet", f"{HERE}.centernet:CenterNet", _network
    ),
    Method(
        "mask_boxes",
        "Boxes of the mask",
        "no network of its own",
        "polyps",
        "models.colonoscopy.segmentation.small:SmallSegmenter",
        _mask_boxes,
    ),
)
