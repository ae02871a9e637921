"""Jobs for the tests of executors: functions of a module, which a worker can import."""

import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.core.errors import UserError
from models.core.progress import Progress
from models.scene.data.scan import Scan

LETTER = "the letter from my doctor"


def where() -> tuple[int, str, str]:
    """The worker's process, CUDA's numbers of its devices, its folder for temporary files."""
    return os.getpid(), os.environ.get("CUDA_VISIBLE_DEVICES", ""), tempfile.gettempdir()


def steps(count: int, pause: float, beats: str = "") -> Iterator[tuple[int, int]]:
    """So many numbered steps, each with the worker's process; what is left of them is seen in a file."""
    for number in range(count):
        if beats:
            Path(beats).write_text(str(number))
        yield os.getpid(), number
        time.sleep(pause)


def waits(seconds: float) -> int:
    """Takes its time."""
    time.sleep(seconds)
    return os.getpid()


def doubled(values: np.ndarray) -> np.ndarray:
    """Written where it came, as a network's preparation may."""
    values *= 2
    return values


def place(scan: Scan) -> tuple[int, int, int]:
    """The worker, where the scan lies in its memory, and how many vertices it has."""
    return os.getpid(), id(scan), len(scan.vertices)


def convolved(seed: int) -> np.ndarray:
    """What an untrained network makes of noise: its last bit changes with torch's threads."""
    import torch

    draws = torch.Generator().manual_seed(seed)
    picture, kernel = torch.randn(1, 64, 96, 96, generator=draws), torch.randn(64, 64, 3, 3, generator=draws)
    with torch.inference_mode():
        return torch.nn.functional.conv2d(picture, kernel).softmax(1).cumsum(2).numpy()


def breaks() -> None:
    """A bug whose message carries what a visitor typed."""
    raise ValueError(LETTER)


def refuses() -> None:
    """What a person caused."""
    raise UserError("object_unknown", object=7)


@dataclass(frozen=True)
class Order:
    """A job that names a file."""

    file: Path
    word: str


def film(order: Order, folder: Path) -> Iterator[Progress | dict[str, Path]]:
    """A first piece that is told of early, and the whole, both files in the folder."""
    first, whole = folder / "first.mp4", folder / "inside" / "whole.mp4"
    first.write_bytes(order.file.read_bytes()[:3])
    yield Progress(0.5, "face_draws", first)
    whole.parent.mkdir()
    whole.write_bytes(order.file.read_bytes() + order.word.encode())
    yield {"whole": whole}


def import_checkpoint(home: Path) -> None:
    """A person's own checkpoint of one number, under a home of Trilab's."""
    folder = home / "checkpoints" / "mine"
    folder.mkdir(parents=True)
    header = b'{"x":{"dtype":"F16","shape":[1],"data_offsets":[0,2]}}'
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + b"\0\0")
    (folder / "config.json").write_text("{}")
    (folder / "README.md").write_text("---\nlab: scene\n---\nMine.")
