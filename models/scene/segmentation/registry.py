"""The methods of instance segmentation."""

from typing import TYPE_CHECKING, Any

from models.core.registry import Method, Published, Registry

if TYPE_CHECKING:
    from models.scene.segmentation.base import InstanceSegmenter


def _pointgroup(kind: type[Any], checkpoint: str) -> "InstanceSegmenter":
    from models.scene.segmentation.predictor import Segmenter

    return Segmenter(checkpoint)


def _votenet(kind: type[Any], checkpoint: str) -> "InstanceSegmenter":
    from models.scene.segmentation.votenet_predictor import VoteNetSegmenter

    return VoteNetSegmenter(checkpoint)


PAPER = "Jiang et al., CVPR 2020"
NETWORK = "models.scene.segmentation.pointgroup:PointGroup"
SEGMENTERS: "Registry[InstanceSegmenter]" = Registry(
    "segmentation",
    Method("pointgroup", "PointGroup", PAPER, "pointgroup", NETWORK, _pointgroup, ("shapes",)),
    Method(
        "votenet",
        "VoteNet",
        "Qi et al., ICCV 2019",
        "votenet",
        "models.scene.segmentation.votenet:VoteNet",
        _votenet,
    ),
    published=(Published("pointgroup", "PointGroup", PAPER, NETWORK, _pointgroup),),
)
