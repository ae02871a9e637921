"""The methods of dense captioning: one entry each.

TransCap is X-Trans2Cap's captioner without a teacher (Yuan et al., CVPR 2022, section 4): the same network,
trained for as many steps on the same captions, that never saw a second modality.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from models.core.errors import UserError
from models.core.import_lock import LOADING
from models.scene.captioning.base import CaptioningModel


@dataclass(frozen=True)
class Method:
    """A method. title: as its authors call it."""

    name: str
    title: str
    paper: str
    checkpoint: str


_ENTRIES = (
    Method("xtrans2cap", "X-Trans2Cap", "Yuan et al., CVPR 2022", "xtrans2cap"),
    Method("transcap", "TransCap", "Yuan et al., CVPR 2022, without teacher", "xtrans2cap_alone"),
)
METHODS: Mapping[str, Method] = {entry.name: entry for entry in _ENTRIES}
DEFAULT = _ENTRIES[0].name


def method(name: str) -> Method:
    """An entry by its name. Raises UserError("method_unknown") for any other text."""
    if name not in METHODS:
        raise UserError("method_unknown", known=", ".join(METHODS))
    return METHODS[name]


@cache
def loaded(name: str) -> CaptioningModel:
    """A method that is ready to be asked, once for a process. Raises as `method` and as loading does."""
    entry = method(name)
    with LOADING:
        from models.scene.captioning.xtrans2cap.predictor import Captioner

        return Captioner(entry.checkpoint)
