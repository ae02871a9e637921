"""The generators' trainings by name: the cascade's stages, the three models from its base, and LDM."""

from collections.abc import Callable
from pathlib import Path

from torch import nn

from models.colonoscopy.synthesis.arsdm_training import NAMES, train_further
from models.colonoscopy.synthesis.autoencoder_training import train_autoencoder
from models.colonoscopy.synthesis.ldm_training import train_ldm
from models.colonoscopy.synthesis.sharpener_training import train_sharpener
from models.colonoscopy.synthesis.training import train_base
from models.core.checkpoints import FOLDER
from models.core.training import RUNS, save_half

# The base is no checkpoint: what ships are the three that were trained on from it.
BY_TIME: dict[str, tuple[Callable[[Path, float], nn.Module], Path]] = {
    "base": (train_base, RUNS / "base"),
    "sharpener": (train_sharpener, FOLDER / "colonoscopy_sharpener"),
    "autoencoder": (train_autoencoder, FOLDER / "colonoscopy_autoencoder"),
    "ldm": (train_ldm, FOLDER / "ldm"),
}


def train(name: str, data: Path, minutes: float, out: Path | None = None) -> None:
    """Train one of BY_TIME or NAMES, resuming its run, and save the averaged network in fp16 to `out`.

    minutes: of work in total, except for "sdm", "adaptive" and "arsdm", which take as many steps as each
    other, and want the run of "base". "ldm" wants the autoencoder's checkpoint. Raises UserError as they do.
    """
    if name in NAMES:
        save_half(train_further(name, data), out or FOLDER / name)
        return
    trainer, folder = BY_TIME[name]
    save_half(trainer(data, minutes), out or folder)
