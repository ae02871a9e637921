"""The generators of films, ours first."""

from typing import TYPE_CHECKING, Any

from models.core.registry import Method, Registry

if TYPE_CHECKING:
    from models.colonoscopy.video.base import VideoGenerator

HERE = "models.colonoscopy.video"


def _conditioned(kind: type[Any], checkpoint: str) -> "VideoGenerator":
    from models.colonoscopy.video.film_generator import load

    return load(checkpoint)


def _pvdm(kind: type[Any], checkpoint: str) -> "VideoGenerator":
    from models.colonoscopy.video.pvdm_pipeline import load

    return load(checkpoint)


def _lvdm(kind: type[Any], checkpoint: str) -> "VideoGenerator":
    from models.colonoscopy.video.lvdm_pipeline import load

    return load(checkpoint)


FILMS: "Registry[VideoGenerator]" = Registry(
    "video",
    Method(
        "conditioned",
        "Film under a mask",
        "the talk's next step",
        "film_base",
        f"{HERE}.film_networks:FilmBase",
        _conditioned,
        ("film_detail", "arsdm", "colonoscopy_upscaler", "colonoscopy_sharpener"),
    ),
    Method(
        "pvdm",
        "PVDM",
        "Yu et al., CVPR 2023",
        "pvdm",
        f"{HERE}.pvdm:LatentVideoUNet",
        _pvdm,
        ("pvdm_autoencoder",),
    ),
    Method(
        "lvdm",
        "LVDM",
        "He et al., 2022",
        "lvdm",
        f"{HERE}.lvdm:VideoUNet",
        _lvdm,
        ("lvdm_autoencoder",),
    ),
)
