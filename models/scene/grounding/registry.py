"""The methods of visual grounding: one entry each, from which page, commands and tables are made."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

from models.core.checkpoints import FILES, FOLDER
from models.core.errors import UserError
from models.core.import_lock import LOADING
from models.scene.grounding.base import GroundingModel


@dataclass(frozen=True)
class Method:
    """A method. title: as its authors call it. load: makes it ready; heavy, so asked once a process."""

    name: str
    title: str
    paper: str
    checkpoint: str
    load: Callable[[], GroundingModel]


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


_ENTRIES = (
    Method("instancerefer", "InstanceRefer", "Yuan et al., ICCV 2021", "instancerefer", _instancerefer),
    Method("scanrefer", "ScanRefer", "Chen et al., ECCV 2020", "scanrefer", _scanrefer),
    Method("tgnn", "TGNN", "Huang et al., AAAI 2021", "tgnn", _tgnn),
    Method("referit3dnet", "ReferIt3DNet", "Achlioptas et al., ECCV 2020", "referit3dnet", _referit3dnet),
)
METHODS: Mapping[str, Method] = {entry.name: entry for entry in _ENTRIES}
DEFAULT = _ENTRIES[0].name


def installed() -> tuple[str, ...]:
    """The methods whose checkpoints are here, in order."""
    return tuple(name for name, one in METHODS.items() if (FOLDER / one.checkpoint / FILES[1]).is_file())


def method(name: str) -> Method:
    """An entry by its name. Raises UserError("method_unknown") for any other text."""
    if name not in METHODS:
        raise UserError("method_unknown", known=", ".join(METHODS))
    return METHODS[name]


def chosen(names: str) -> tuple[str, ...]:
    """Names of methods from "a,b", in the registry's order, each once.

    Raises UserError("method_unknown") for a name that is none, or for none at all.
    """
    asked = {method(name.strip()).name for name in names.split(",")}
    return tuple(name for name in METHODS if name in asked)


@cache
def loaded(name: str) -> GroundingModel:
    """A method that is ready to be asked, once for a process. Raises as `method` and as loading does."""
    entry = method(name)
    with LOADING:
        return entry.load()
