"""The generators of films, ours first."""

from typing import TYPE_CHECKING, Any

from models.core.registry import Method, Published, Registry

if TYPE_CHECKING:
    from models.colonoscopy.video.base import VideoGenerator

HERE = "models.colonoscopy.video"


def _conditioned(kind: type[Any], checkpoint: str) -> "VideoGenerator":
    from models.colonoscopy.video.film_generator import load

    return load(checkpoint)


def _pvdm(kind: type[Any], checkpoint: str) -> "VideoGenerator":
    from models.colonoscopy.video.pvdm_pipeline import load_published

    return load_published(checkpoint)


def _projected(kind: type[Any], checkpoint: str) -> "VideoGenerator":
    from models.colonoscopy.video.pvdm_pipeline import load

    return load(checkpoint)


def _lvdm(kind: type[Any], checkpoint: str) -> "VideoGenerator":
    from models.colonoscopy.video.lvdm_pipeline import load

    return load(checkpoint)


def _lvdm_2d(kind: type[Any], checkpoint: str) -> "VideoGenerator":
    from models.colonoscopy.video.lvdm_pipeline import load_2d

    return load_2d(checkpoint)


def _frame_latents(kind: type[Any], checkpoint: str) -> "VideoGenerator":
    from models.colonoscopy.video.lvdm_2d_pipeline import load

    return load(checkpoint)


def _masked(kind: type[Any], checkpoint: str) -> "VideoGenerator":
    from models.colonoscopy.video.lvdm_2d_pipeline import load_masked

    return load_masked(checkpoint)


YU, HE = "Yu et al., CVPR 2023", "He et al., 2022"
LATENT_VIDEO, VIDEO = f"{HERE}.pvdm:LatentVideoUNet", f"{HERE}.lvdm:VideoUNet"
# An imported NAME of either method draws with the autoencoder that was imported as NAME_autoencoder.
AUTOENCODER = ("_autoencoder",)
FILMS: "Registry[VideoGenerator]" = Registry(
    "video",
    Method(
        "conditioned",
        "Film under a mask",
        "the talk's next step",
        "film_base",
        f"{HERE}.film_networks:FilmBase",
        _conditioned,
        ("film_detail", "arsdm", "ldm", "colonoscopy_autoencoder", "colonoscopy_sharpener"),
    ),
    Method(
        "lvdm_masked",
        "LVDM under a mask",
        "the talk's next step",
        "lvdm",
        f"{HERE}.lvdm_2d:ClipDiffusion",
        _masked,
        ("colonoscopy_autoencoder",),
    ),
    Method(
        "pvdm",
        "PVDM",
        YU,
        "pvdm",
        f"{HERE}.projected:PlaneDiffusion",
        _projected,
        ("pvdm_autoencoder", "colonoscopy_autoencoder"),
    ),
    Method(
        "lvdm",
        "LVDM",
        HE,
        "lvdm",
        f"{HERE}.lvdm_2d:ClipDiffusion",
        _frame_latents,
        ("colonoscopy_autoencoder",),
    ),
    published=(
        Published("pvdm", "PVDM", YU, LATENT_VIDEO, _pvdm, endings=AUTOENCODER),
        Published(
            "pvdm_autoencoder",
            "PVDM's autoencoder",
            YU,
            f"{HERE}.pvdm_autoencoder:PvdmAutoencoder",
            _pvdm,
            part=True,
        ),
        Published("lvdm", "LVDM", HE, VIDEO, _lvdm, endings=AUTOENCODER),
        Published(
            "lvdm_autoencoder",
            "LVDM's autoencoder",
            HE,
            f"{HERE}.lvdm_autoencoder:LvdmAutoencoder",
            _lvdm,
            part=True,
        ),
        Published(
            "lvdm_2d",
            "LVDM on a 2D autoencoder",
            HE,
            f"{HERE}.lvdm:FrameVideoUNet",
            _lvdm_2d,
            endings=AUTOENCODER,
        ),
        Published(
            "lvdm_2d_autoencoder",
            "LVDM's 2D autoencoder",
            HE,
            f"{HERE}.frame_autoencoder:FrameAutoencoder",
            _lvdm_2d,
            part=True,
        ),
    ),
)
