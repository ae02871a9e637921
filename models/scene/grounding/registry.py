"""The methods of visual grounding: one entry each, from which page, commands and tables are made."""

from pathlib import Path
from typing import Any

from models.core.registry import Method, Published, Registry
from models.scene.grounding.base import GroundingModel


def _instancerefer() -> GroundingModel:
    from models.scene.grounding.instancerefer import predictor as instancerefer
    from models.scene.grounding.predictor import InstanceReferPredictor

    return InstanceReferPredictor(instancerefer.load("instancerefer"))


def _scanrefer() -> GroundingModel:
    from models.scene.grounding.predictor import ObjectGrounder
    from models.scene.grounding.scanrefer import ScanReferLocalizer

    return ObjectGrounder("scanrefer", ScanReferLocalizer, "scanrefer")


def _tgnn() -> GroundingModel:
    from models.scene.grounding.predictor import ObjectGrounder
    from models.scene.grounding.tgnn import TGNN

    return ObjectGrounder("tgnn", TGNN, "tgnn")


def _referit3dnet() -> GroundingModel:
    from models.scene.grounding.predictor import ObjectGrounder
    from models.scene.grounding.referit3dnet import ReferIt3DNet

    return ObjectGrounder("referit3dnet", ReferIt3DNet, "referit3dnet")


def _published(checkpoint: str) -> GroundingModel:
    from models.scene.grounding.instancerefer.published_predictor import PublishedInstanceRefer

    return PublishedInstanceRefer(checkpoint)


def _read(file: Path) -> Any:
    from models.scene.grounding.instancerefer.instancerefer import InstanceRefer

    return InstanceRefer.from_published(file)


def _write_words(words: Path, folder: Path, network: Any) -> None:
    from models.scene.grounding.instancerefer.glove import write_vectors

    write_vectors(words, folder, network.config.word_width)


GROUNDERS: Registry[GroundingModel] = Registry(
    "grounding",
    Method("instancerefer", "InstanceRefer", "Yuan et al., ICCV 2021", "instancerefer", _instancerefer),
    Method("scanrefer", "ScanRefer", "Chen et al., ECCV 2020", "scanrefer", _scanrefer),
    Method("tgnn", "TGNN", "Huang et al., AAAI 2021", "tgnn", _tgnn),
    Method("referit3dnet", "ReferIt3DNet", "Achlioptas et al., ECCV 2020", "referit3dnet", _referit3dnet),
    published=(
        Published(
            "instancerefer", "InstanceRefer", "Yuan et al., ICCV 2021", _read, _published, _write_words
        ),
    ),
)
DEFAULT = next(iter(GROUNDERS.shipped))
