"""Real scans with colour by point, and what the generator says of a scan: for training and for measuring."""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.scene.data.datasets import Sentence, annotated, instances
from models.scene.data.scan import Instance, Scan
from models.scene.synthetic_language.sentences import make_sentences

HELD_OUT = ("scene0008", "scene0009", "scene0010")  # spaces that are measured and never learned from

Array = NDArray[np.float32]


def coloured_scan(data: Path, name: str) -> Scan:
    """A coloured real scan of the data folder with its annotated instances."""
    with np.load(data / f"coloured/{name}.npz") as stored:
        points, colours, owners = (stored[key] for key in ("points_mm", "rgb", "object_id"))
    return Scan(
        name,
        (points / 1000).astype(np.float32),
        colours,
        np.zeros((0, 3), np.int32),
        owners.astype(np.int32),
        tuple(instances(annotated(data)[name])),
    )


def coloured_names(data: Path, held_out: bool) -> list[str]:
    """The coloured real scans, those of HELD_OUT or the others."""
    names = sorted(path.stem for path in (data / "coloured").glob("*.npz"))
    return [name for name in names if name.startswith(HELD_OUT) == held_out]


def generated(
    name: str, objects: Sequence[Instance], sides: Mapping[int, Array], each: int
) -> list[Sentence]:
    """What the generator says of a scan, the same each time."""
    made = make_sentences(objects, random.Random(name), dict(sides), each)
    return [Sentence(name, one.sentence, one.target, "", one.kind, one.anchors) for one in made]
