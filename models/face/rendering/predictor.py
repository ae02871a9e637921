"""The predictor around the mouth generator: blended frames of a person are cleaned."""

from collections.abc import Sequence

import numpy as np
import torch

from models.core import device
from models.face.methods import RENDERING
from models.face.rendering.blend import Blended
from models.face.rendering.crops import add, crop_of, cut, maps
from models.face.rendering.generator import inputs
from models.face.sources import mesh

# Losses by pixel pull what can't be known, teeth and tongue, towards a grey in the middle. So the network is
# believed in part there, and hardly where a camera saw the teeth.
BETWEEN, SURE = 0.5, 0.85

BATCH = 16


class Generator:
    """Cleans the blended frames of one person.

    image (H, W, 3) uint8, pixels (478, 3), rest (478, 3) cm: as for `Blender`.
    Raises UserError("checkpoint_missing" or "checkpoint_broken").
    """

    def __init__(self, image: np.ndarray, pixels: np.ndarray, rest: np.ndarray) -> None:
        self.network = RENDERING.loaded(RENDERING.default)
        self.reference = cut(image, crop_of(mesh.align(pixels), rest))

    def refine(self, blended: Sequence[Blended]) -> list[np.ndarray]:
        """The blended frames (H, W, 3) uint8, each changed around its mouth."""
        frames = []
        for start in range(0, len(blended), BATCH):
            part = blended[start : start + BATCH]
            squares = np.stack([cut(one.frame, one.crop) for one in part])
            drawn = np.stack([maps(one.pixels, one.crop) for one in part])
            believed = _believed(drawn, np.stack([one.sure for one in part]))
            for one, change in zip(part, self._changes(squares, drawn) * believed, strict=True):
                frames.append(add(one.frame, one.crop, change))
        return frames

    def _changes(self, squares: np.ndarray, drawn: np.ndarray) -> np.ndarray:
        """(B, S, S, 3) float32 in levels."""
        references = np.broadcast_to(self.reference, squares.shape)
        given = inputs(squares, references, drawn).to(memory_format=torch.channels_last)
        where = self.network.first.weight.device
        given = given.to(where)
        with (
            torch.inference_mode(),
            torch.autocast(where.type, torch.bfloat16, enabled=device.bf16(where.type)),
        ):
            change = self.network.drawn(given) - given[:, :3]
        return np.asarray(change.permute(0, 2, 3, 1).contiguous().cpu().numpy()) * 127.5


def _believed(drawn: np.ndarray, sure: np.ndarray) -> np.ndarray:
    """How much of its changes is made, (B, S, S, 1) 0 to 1, by maps (B, S, S, 2) and `Blended.sure`."""
    between = drawn[..., 1] / np.float32(255)
    share = 1 - (1 - BETWEEN) * between
    return np.asarray((share * (1 - SURE * sure))[..., None], np.float32)
