"""Objects of several scenes as one batch: B rows of N objects, padded."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.core.device import Movable
from models.scene.objects.object_set import Objects


@dataclass(frozen=True, kw_only=True)
class PaddedObjects(Movable):
    """What the open-vocabulary networks know of objects.

    names: (B, N, 384) MiniLM vector of each object's label, 0 where it has none.
    shapes: (B, N, 128) of the point encoder, 0 where there are no points.
    boxes: (B, N, 6). colours: (B, N, 3), 0 to 1. exists: (B, N) bool. room: (B, 6) of all that was scanned.
    """

    names: Tensor
    shapes: Tensor
    boxes: Tensor
    colours: Tensor
    exists: Tensor
    room: Tensor


def padded_objects(scenes: Sequence[Objects], step: int = 1) -> dict[str, Tensor]:
    """The fields of PaddedObjects; N is the most that a scene has, up to a multiple of `step`."""
    most = rounded(max(map(len, scenes)), step)
    counts = torch.tensor([len(objects) for objects in scenes])
    return {
        **{
            field: padded([getattr(objects, field) for objects in scenes], most)
            for field in ("names", "shapes", "boxes", "colours")
        },
        "exists": torch.arange(most) < counts[:, None],
        "room": torch.from_numpy(np.stack([objects.room for objects in scenes]).astype(np.float32)),
    }


def padded(parts: Sequence[NDArray[Any]], most: int) -> Tensor:
    """(B, most, ...) float32 of arrays (N_i, ...), 0 behind each one's end."""
    whole = np.zeros((len(parts), most, *parts[0].shape[1:]), np.float32)
    for row, part in zip(whole, parts, strict=True):
        row[: len(part)] = part
    return torch.from_numpy(whole)


def rounded(count: int, step: int) -> int:
    """Up to a multiple: oneDNN compiles a kernel for every new shape, which costs more than some padding."""
    return -(-count // step) * step
