"""The methods of polyp segmentation; `polyps`, the first, judges where no other is asked for."""

from typing import TYPE_CHECKING

from models.core.registry import Method, Registry

if TYPE_CHECKING:
    from models.colonoscopy.segmentation.base import PolypSegmenter


def _small() -> "PolypSegmenter":
    from models.colonoscopy.segmentation.base import load
    from models.colonoscopy.segmentation.small import SmallSegmenter

    return load(SmallSegmenter, "polyps")


def _pranet() -> "PolypSegmenter":
    from models.colonoscopy.segmentation.base import load
    from models.colonoscopy.segmentation.pranet import PraNet

    return load(PraNet, "pranet")


def _sanet() -> "PolypSegmenter":
    from models.colonoscopy.segmentation.base import load
    from models.colonoscopy.segmentation.sanet import SANet

    return load(SANet, "sanet")


def _polyp_pvt() -> "PolypSegmenter":
    from models.colonoscopy.segmentation.base import load
    from models.colonoscopy.segmentation.polyp_pvt import PolypPVT

    return load(PolypPVT, "polyp_pvt")


SEGMENTERS: "Registry[PolypSegmenter]" = Registry(
    Method("polyps", "Feature pyramid", "Lin et al., CVPR 2017", "polyps", _small),
    Method("pranet", "PraNet", "Fan et al., MICCAI 2020", "pranet", _pranet),
    Method("sanet", "SANet", "Wei et al., MICCAI 2021", "sanet", _sanet),
    Method("polyp_pvt", "Polyp-PVT", "Dong et al., CAAI AIR 2023", "polyp_pvt", _polyp_pvt),
)
