"""The methods of polyp segmentation; `polyps`, the first, judges where no other is asked for."""

from typing import TYPE_CHECKING, Any

from models.core.registry import Method, Published, Registry

if TYPE_CHECKING:
    from models.colonoscopy.segmentation.base import PolypSegmenter

HERE = "models.colonoscopy.segmentation"


def _network(kind: type[Any], checkpoint: str) -> "PolypSegmenter":
    from models.colonoscopy.segmentation.base import load

    return load(kind, checkpoint)


# Those that their authors published weights of.
PUBLISHED = (
    Published("pranet", "PraNet", "Fan et al., MICCAI 2020", f"{HERE}.pranet:PraNet", _network),
    Published("sanet", "SANet", "Wei et al., MICCAI 2021", f"{HERE}.sanet:SANet", _network),
    Published("polyp_pvt", "Polyp-PVT", "Dong et al., CAAI AIR 2023", f"{HERE}.polyp_pvt:PolypPVT", _network),
)
SEGMENTERS: "Registry[PolypSegmenter]" = Registry(
    "segmentation",
    Method(
        "polyps",
        "Feature pyramid",
        "Lin et al., CVPR 2017",
        "polyps",
        f"{HERE}.small:SmallSegmenter",
        _network,
    ),
    *(Method(one.name, one.title, one.paper, one.name, one.network, one.load) for one in PUBLISHED),
    published=PUBLISHED,
)
