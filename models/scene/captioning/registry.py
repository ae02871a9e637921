"""The methods of dense captioning.

TransCap is X-Trans2Cap's captioner without a teacher (Yuan et al., CVPR 2022, section 4): the same network,
trained for as many steps on the same captions, that never saw a second modality.
"""

from typing import TYPE_CHECKING, Any

from models.core.registry import Method, Registry

if TYPE_CHECKING:
    from models.scene.captioning.base import CaptioningModel

NETWORK = "models.scene.captioning.xtrans2cap.open_xtrans2cap:OpenXTrans2Cap"


def _captioner(kind: type[Any], checkpoint: str) -> "CaptioningModel":
    from models.scene.captioning.xtrans2cap.predictor import Captioner

    return Captioner(checkpoint)


CAPTIONERS: "Registry[CaptioningModel]" = Registry(
    "captioning",
    Method(
        "xtrans2cap", "X-Trans2Cap", "Yuan et al., CVPR 2022", "xtrans2cap", NETWORK, _captioner, ("shapes",)
    ),
    Method(
        "transcap",
        "TransCap",
        "Yuan et al., CVPR 2022, without teacher",
        "xtrans2cap_alone",
        NETWORK,
        _captioner,
        ("shapes",),
    ),
)
