"""The generators of frames, best first."""

from typing import TYPE_CHECKING, Any

from models.core.registry import Method, Published, Registry

if TYPE_CHECKING:
    from models.colonoscopy.synthesis.base import FrameGenerator

# What the three models of the paper share: a base at 32 pixels each, and LDM, which goes on from its frames.
BASE = "models.colonoscopy.synthesis.cascade:BaseSdm"
STAGES = ("ldm", "colonoscopy_autoencoder")


def _latent(kind: type[Any], checkpoint: str) -> "FrameGenerator":
    from models.colonoscopy.synthesis.ldm_pipeline import load

    return load(checkpoint)


def _cascade(kind: type[Any], checkpoint: str) -> "FrameGenerator":
    from models.colonoscopy.synthesis.generator import load

    return load(checkpoint)


def _pixels(kind: type[Any], checkpoint: str) -> "FrameGenerator":
    from models.colonoscopy.synthesis.image_pipeline import load

    return load(checkpoint)


# The released networks draw pixels; ArSDM's differs from SDM's by how it was trained alone.
RELEASED = "models.colonoscopy.synthesis.sdm:SdmUNet"
GENERATORS: "Registry[FrameGenerator]" = Registry(
    "synthesis",
    Method("arsdm", "ArSDM", "Du et al., MICCAI 2023", "arsdm", BASE, _cascade, STAGES),
    Method(
        "adaptive",
        "SDM + adaptive loss",
        "Du et al., MICCAI 2023, without the refinement",
        "adaptive",
        BASE,
        _cascade,
        STAGES,
    ),
    Method("sdm", "SDM", "Wang et al., 2022", "sdm", BASE, _cascade, STAGES),
    Method(
        "ldm",
        "LDM",
        "Rombach et al., CVPR 2022",
        "ldm",
        "models.colonoscopy.synthesis.latent_diffusion:LatentDiffusion",
        _latent,
        ("colonoscopy_autoencoder",),
    ),
    published=(
        Published("arsdm", "ArSDM", "Du et al., MICCAI 2023", RELEASED, _pixels),
        Published("sdm", "SDM", "Wang et al., 2022", RELEASED, _pixels),
    ),
)
