"""Training the networks of films, each by its name, and writing its checkpoint."""

from pathlib import Path

from models.colonoscopy.video import autoencoder_training, diffusion_training, film_training


def train(name: str, data: Path, minutes: float, out: Path) -> None:
    """One network from nothing, in runs/NAME, for `minutes` in total; the average goes to `out` in fp16."""
    if name in film_training.KINDS:
        film_training.train(name, data, minutes, out)
    elif name in autoencoder_training.KINDS:
        autoencoder_training.train(name, data, minutes, out)
    else:
        diffusion_training.train(name, data, minutes, out)
