"""The methods of dense captioning: one entry each, and what a person imported.

TransCap is X-Trans2Cap's captioner without a teacher (Yuan et al., CVPR 2022, section 4): the same network,
trained for as many steps on the same captions, that never saw a second modality.
"""

from functools import partial
from pathlib import Path
from typing import Any

from models.core.registry import Method, Published, Registry
from models.scene.captioning.base import CaptioningModel

PAPER = "Yuan et al., CVPR 2022"


def _shipped(checkpoint: str) -> CaptioningModel:
    from models.scene.captioning.xtrans2cap.predictor import Captioner

    return Captioner(checkpoint)


def _published(checkpoint: str) -> CaptioningModel:
    from models.scene.captioning.xtrans2cap.published_predictor import PublishedCaptioner

    return PublishedCaptioner(checkpoint)


def _read(file: Path) -> Any:
    from models.scene.captioning.xtrans2cap.xtrans2cap import XTrans2Cap

    return XTrans2Cap.from_published(file)


def _write_words(words: Path, folder: Path, network: Any) -> None:
    from models.scene.captioning.xtrans2cap.vocabulary import write_vocabulary

    write_vocabulary(words, folder, network.config.vocabulary)


CAPTIONERS: Registry[CaptioningModel] = Registry(
    "captioning",
    Method("xtrans2cap", "X-Trans2Cap", PAPER, "xtrans2cap", partial(_shipped, "xtrans2cap")),
    Method(
        *("transcap", "TransCap", f"{PAPER}, without teacher", "xtrans2cap_alone"),
        partial(_shipped, "xtrans2cap_alone"),
    ),
    published=(Published("xtrans2cap", "X-Trans2Cap", PAPER, _read, _published, _write_words),),
)
DEFAULT = next(iter(CAPTIONERS.shipped))
