"""Training the networks of films, each by its name, and writing its checkpoint."""

from pathlib import Path

from models.colonoscopy.video import film_training


def train(name: str, data: Path, minutes: float, folder: Path) -> None:
    """Train a network for `minutes` in total and save it in fp16 in a folder."""
    make = {"film_base": film_training.train_film_base, "film_detail": film_training.train_film_detail}
    network = make[name](data, minutes)
    network.half().save_pretrained(folder)  # type: ignore[operator]
