"""The methods of dense captioning.

TransCap is X-Trans2Cap's captioner without a teacher (Yuan et al., CVPR 2022, section 4): the same network,
trained for as many steps on the same captions, that never saw a second modality.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.core.registry import Method, Published, Registry

if TYPE_CHECKING:
    from models.scene.captioning.base import CaptioningModel

NEEDS = ("shapes", "scanrefer")  # points are read by the one, captions heard by the other
PAPER = "Yuan et al., CVPR 2022"
NETWORK = "models.scene.captioning.xtrans2cap.open_xtrans2cap:OpenXTrans2Cap"


def _captioner(kind: type[Any], checkpoint: str) -> "CaptioningModel":
    from models.scene.captioning.predictor import Captioner

    return Captioner(kind, checkpoint)


def _published(kind: type[Any], checkpoint: str) -> "CaptioningModel":
    from models.scene.captioning.xtrans2cap.published_predictor import PublishedCaptioner

    return PublishedCaptioner(checkpoint)


def _write_words(words: Path, folder: Path, network: Any) -> None:
    from models.scene.captioning.xtrans2cap.vocabulary import write_vocabulary

    write_vocabulary(words, folder, network.config.vocabulary)


CAPTIONERS: "Registry[CaptioningModel]" = Registry(
    "captioning",
    Method("xtrans2cap", "X-Trans2Cap", PAPER, "xtrans2cap", NETWORK, _captioner, NEEDS),
    Method(
        "transcap",
        "TransCap",
        f"{PAPER}, without teacher",
        "xtrans2cap_alone",
        NETWORK,
        _captioner,
        NEEDS,
    ),
    Method(
        "scan2cap",
        "Scan2Cap",
        "Chen et al., CVPR 2021",
        "scan2cap",
        "models.scene.captioning.scan2cap:Scan2Cap",
        _captioner,
        NEEDS,
    ),
    published=(
        Published(
            "xtrans2cap",
            "X-Trans2Cap",
            PAPER,
            "models.scene.captioning.xtrans2cap.xtrans2cap:XTrans2Cap",
            _published,
            _write_words,
        ),
    ),
)
