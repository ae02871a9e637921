"""The generators, best first: the choice on the page, `--model`, the rows of the tables, the card.

Nothing is imported for a list of names: a generator's module is loaded when it is asked for.
"""

import hashlib
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.core.checkpoints import card
from models.core.registry import Method, Published, Registry

if TYPE_CHECKING:
    from models.colonoscopy.synthesis.base import FrameGenerator

CASCADE = ("colonoscopy_super", "colonoscopy_sharpener")


@dataclass(frozen=True)
class Generator(Method["FrameGenerator"]):
    """looks: those that it was told of."""

    looks: tuple[str, ...] = ("any",)


def _load(module: str, checkpoint: str) -> "FrameGenerator":
    generator: FrameGenerator = import_module(f"models.colonoscopy.synthesis.{module}").load(checkpoint)
    return generator


def _read(file: Path) -> Any:
    from models.colonoscopy.synthesis.sdm import SdmUNet

    return SdmUNet.from_published(file)


def _latent(name: str, title: str, paper: str) -> Generator:
    """One of the generators on latents, which share an autoencoder."""
    beside = ("colonoscopy_autoencoder",)
    return Generator(name, title, paper, name, partial(_load, "patch_pipeline", name), beside)


def _published(name: str, title: str, paper: str) -> Published["FrameGenerator"]:
    """The released networks draw pixels; ArSDM's differs from SDM's by how it was trained alone."""
    return Published(name, title, paper, _read, partial(_load, "image_pipeline"))


GENERATORS: Registry["FrameGenerator"] = Registry(
    "synthesis",
    _latent("arsdm", "ArSDM", "Du et al., MICCAI 2023"),
    _latent("adaptive", "SDM + adaptive loss", "Du et al., MICCAI 2023, without the refinement"),
    _latent("sdm", "SDM", "Wang et al., 2022"),
    Generator(
        *("cascade", "SDM cascade", "Ho et al., JMLR 2022, on Wang et al., 2022", "cascade"),
        partial(_load, "generator", "cascade"),
        CASCADE,
        ("kvasir", "clinicdb", "polypgen", "bkai", "any"),
    ),
    published=(
        _published("arsdm", "ArSDM", "Du et al., MICCAI 2023"),
        _published("sdm", "SDM", "Wang et al., 2022"),
    ),
)


def looks(name: str) -> tuple[str, ...]:
    """The clinics that a generator was told of. Raises as `GENERATORS[name]`."""
    entry = GENERATORS[name]
    return entry.looks if isinstance(entry, Generator) else ("any",)


def weights(name: str) -> str:
    """12 hex digits that change with any weight that a generator's frames come from.

    Raises as `GENERATORS[name]` and `card` do.
    """
    entry = GENERATORS[name]
    hashes = [card(checkpoint).sha256 for checkpoint in (entry.checkpoint, *entry.beside)]
    return hashlib.sha256(" ".join(hashes).encode()).hexdigest()[:12]
