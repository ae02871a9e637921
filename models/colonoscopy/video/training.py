"""Training the networks of films, each by its name, and writing its checkpoint."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from models.colonoscopy.video import film_training, lvdm_2d_training, pvdm_training

TRAINERS: dict[str, Callable[[Path, float, Path], None]] = {
    **{name: partial(film_training.train, name) for name in film_training.KINDS},
    "pvdm_autoencoder": pvdm_training.train_autoencoder,
    "pvdm": pvdm_training.train,
    "lvdm": lvdm_2d_training.train,
}


def train(name: str, data: Path, minutes: float, out: Path) -> None:
    """One of TRAINERS, in runs/NAME, for `minutes` in total; the average goes to `out` in fp16."""
    TRAINERS[name](data, minutes, out)
