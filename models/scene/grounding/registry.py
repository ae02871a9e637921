"""The methods of visual grounding."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.core.registry import Method, Published, Registry

if TYPE_CHECKING:
    from models.scene.grounding.base import GroundingModel

HERE = "models.scene.grounding"


def _instancerefer(kind: type[Any], checkpoint: str) -> "GroundingModel":
    from models.scene.grounding.instancerefer import predictor as instancerefer
    from models.scene.grounding.predictor import InstanceReferPredictor

    return InstanceReferPredictor(instancerefer.load(checkpoint))


def _over_objects(kind: type[Any], checkpoint: str) -> "GroundingModel":
    from models.scene.grounding.predictor import ObjectGrounder

    return ObjectGrounder(kind, checkpoint)


def _published(kind: type[Any], checkpoint: str) -> "GroundingModel":
    from models.scene.grounding.instancerefer.published_predictor import PublishedInstanceRefer

    return PublishedInstanceRefer(checkpoint)


def _write_words(words: Path, folder: Path, network: Any) -> None:
    from models.scene.grounding.instancerefer.glove import write_vectors

    write_vectors(words, folder, network.config.word_width)


GROUNDERS: "Registry[GroundingModel]" = Registry(
    "grounding",
    Method(
        "instancerefer",
        "InstanceRefer",
        "Yuan et al., ICCV 2021",
        "instancerefer",
        f"{HERE}.instancerefer.open_instancerefer:OpenInstanceRefer",
        _instancerefer,
        ("shapes",),
    ),
    Method(
        "scanrefer",
        "ScanRefer",
        "Chen et al., ECCV 2020",
        "scanrefer",
        f"{HERE}.scanrefer:ScanReferLocalizer",
        _over_objects,
        ("shapes",),
    ),
    Method(
        "tgnn", "TGNN", "Huang et al., AAAI 2021", "tgnn", f"{HERE}.tgnn:TGNN", _over_objects, ("shapes",)
    ),
    Method(
        "referit3dnet",
        "ReferIt3DNet",
        "Achlioptas et al., ECCV 2020",
        "referit3dnet",
        f"{HERE}.referit3dnet:ReferIt3DNet",
        _over_objects,
        ("shapes",),
    ),
    published=(
        Published(
            "instancerefer",
            "InstanceRefer",
            "Yuan et al., ICCV 2021",
            f"{HERE}.instancerefer.instancerefer:InstanceRefer",
            _published,
            _write_words,
        ),
    ),
)
