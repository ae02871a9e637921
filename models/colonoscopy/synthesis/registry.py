"""The generators of frames, best first."""

from typing import TYPE_CHECKING, Any

from models.core.registry import Method, Published, Registry

if TYPE_CHECKING:
    from models.colonoscopy.synthesis.base import FrameGenerator

LATENT = "models.colonoscopy.synthesis.latent_diffusion:LatentDiffusion"


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
    Method(
        "arsdm", "ArSDM", "Du et al., MICCAI 2023", "arsdm", LATENT, _latent, ("colonoscopy_autoencoder",)
    ),
    Method(
        "adaptive",
        "SDM + adaptive loss",
        "Du et al., MICCAI 2023, without the refinement",
        "adaptive",
        LATENT,
        _latent,
        ("colonoscopy_autoencoder",),
    ),
    Method("sdm", "SDM", "Wang et al., 2022", "sdm", LATENT, _latent, ("colonoscopy_autoencoder",)),
    Method(
        "cascade",
        "SDM cascade",
        "Ho et al., JMLR 2022, on Wang et al., 2022",
        "cascade",
        "models.colonoscopy.synthesis.cascade:BaseSdm",
        _cascade,
        ("colonoscopy_super", "colonoscopy_sharpener"),
    ),
    published=(
        Published("arsdm", "ArSDM", "Du et al., MICCAI 2023", RELEASED, _pixels),
        Published("sdm", "SDM", "Wang et al., 2022", RELEASED, _pixels),
    ),
)
