"""The methods of polyp detection, and the boxes of a segmenter's mask, which they have to beat."""

from typing import TYPE_CHECKING

from models.core.registry import Method, Registry

if TYPE_CHECKING:
    from models.colonoscopy.detection.base import PolypDetector


def _centernet() -> "PolypDetector":
    from models.colonoscopy.detection.base import load
    from models.colonoscopy.detection.centernet import CenterNet

    return load(CenterNet, "centernet")


def _sparse_rcnn() -> "PolypDetector":
    from models.colonoscopy.detection.base import load
    from models.colonoscopy.detection.sparse_rcnn import SparseRCNN

    return load(SparseRCNN, "sparse_rcnn")


def _deformable_detr() -> "PolypDetector":
    from models.colonoscopy.detection.base import load
    from models.colonoscopy.detection.deformable_detr import DeformableDETR

    return load(DeformableDETR, "deformable_detr")


def _mask_boxes() -> "PolypDetector":
    from models.colonoscopy.detection.base import MaskDetector
    from models.colonoscopy.segmentation.registry import SEGMENTERS

    return MaskDetector(SEGMENTERS.loaded("polyps"))


DETECTORS: "Registry[PolypDetector]" = Registry(
    "detection",
    Method("centernet", "CenterNet", "Zhou et al., 2019", "centernet", _centernet),
    Method("sparse_rcnn", "Sparse R-CNN", "Sun et al., CVPR 2021", "sparse_rcnn", _sparse_rcnn),
    Method(
        "deformable_detr", "Deformable DETR", "Zhu et al., ICLR 2021", "deformable_detr", _deformable_detr
    ),
    Method("mask_boxes", "Boxes of the mask", "no network of its own", "polyps", _mask_boxes),
)
