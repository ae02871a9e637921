"""The generators by name, best first: the choice on the page, `--model`, the rows of the tables, the card.

Nothing is imported for a list of names: a generator's module is loaded when it is asked for.
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING

from models.core import checkpoints
from models.core.checkpoints import card
from models.core.errors import UserError

if TYPE_CHECKING:
    from models.colonoscopy.synthesis.base import FrameGenerator


@dataclass(frozen=True)
class Method:
    """One generator. module: has `load(name)`. checkpoints: all that it needs, its own first.

    looks: those that it was told of.
    """

    title: str
    paper: str
    module: str
    checkpoints: tuple[str, ...]
    looks: tuple[str, ...] = ("any",)


CASCADE = ("colonoscopy_super", "colonoscopy_sharpener")
METHODS = {
    "arsdm": Method(
        "ArSDM",
        "Du et al., MICCAI 2023",
        "models.colonoscopy.synthesis.ldm_pipeline",
        ("arsdm", "colonoscopy_autoencoder"),
    ),
    "adaptive": Method(
        "SDM + adaptive loss",
        "Du et al., MICCAI 2023",
        "models.colonoscopy.synthesis.ldm_pipeline",
        ("adaptive", "colonoscopy_autoencoder"),
    ),
    "sdm": Method(
        "SDM",
        "Wang et al., 2022",
        "models.colonoscopy.synthesis.ldm_pipeline",
        ("sdm", "colonoscopy_autoencoder"),
    ),
    "cascade": Method(
        "SDM cascade",
        "Ho et al., JMLR 2022, on Wang et al., 2022",
        "models.colonoscopy.synthesis.generator",
        ("cascade", *CASCADE),
        ("kvasir", "clinicdb", "polypgen", "bkai", "any"),
    ),
}


def method(name: str) -> Method:
    """An entry. Raises UserError("model_unknown")."""
    if name not in METHODS:
        raise UserError("model_unknown", name=name, choices=", ".join(METHODS))
    return METHODS[name]


def installed() -> list[str]:
    """The generators whose checkpoints are all there, best first."""
    return [
        name
        for name, entry in METHODS.items()
        if all((checkpoints.FOLDER / checkpoint).is_dir() for checkpoint in entry.checkpoints)
    ]


@cache
def load(name: str) -> "FrameGenerator":
    """A generator, kept in memory. Raises UserError("model_unknown"), and as `load_checkpoint` does."""
    generator: FrameGenerator = import_module(method(name).module).load(name)
    return generator


def weights(name: str) -> str:
    """12 hex digits that change with any weight that a generator's frames come from."""
    hashes = [card(checkpoint).sha256 for checkpoint in method(name).checkpoints]
    return hashlib.sha256(" ".join(hashes).encode()).hexdigest()[:12]
