"""The methods of polyp segmentation; `polyps`, the first, judges where no other is asked for."""

from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.core.registry import Method, Published, Registry

if TYPE_CHECKING:
    from models.colonoscopy.segmentation.base import PolypSegmenter


def _load(module: str, kind: str, checkpoint: str) -> "PolypSegmenter":
    from models.colonoscopy.segmentation.base import load

    return load(_network(module, kind), checkpoint)


def _read(module: str, kind: str, file: Path) -> Any:
    """A network with its authors' weights, at the size that they trained it for."""
    return _network(module, kind).from_published(file)


def _network(module: str, kind: str) -> Any:
    return getattr(import_module(f"models.colonoscopy.segmentation.{module}"), kind)


# Name, class, title and paper of those that their authors published weights of; each in a module of its name.
_PUBLISHED = (
    ("pranet", "PraNet", "PraNet", "Fan et al., MICCAI 2020"),
    ("sanet", "SANet", "SANet", "Wei et al., MICCAI 2021"),
    ("polyp_pvt", "PolypPVT", "Polyp-PVT", "Dong et al., CAAI AIR 2023"),
)
SEGMENTERS: "Registry[PolypSegmenter]" = Registry(
    "segmentation",
    Method(
        *("polyps", "Feature pyramid", "Lin et al., CVPR 2017", "polyps"),
        partial(_load, "small", "SmallSegmenter", "polyps"),
    ),
    *(
        Method(name, title, paper, name, partial(_load, name, kind, name))
        for name, kind, title, paper in _PUBLISHED
    ),
    published=tuple(
        Published(name, title, paper, partial(_read, name, kind), partial(_load, name, kind))
        for name, kind, title, paper in _PUBLISHED
    ),
)
