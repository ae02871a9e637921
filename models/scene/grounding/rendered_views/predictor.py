"""A sentence grounded in the views of a scan: the surest cell's 2D box, lifted by that view's depth."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from models.core.text import token_vectors
from models.scene.grounding.rendered_views.features import features
from models.scene.grounding.rendered_views.lifting import lift
from models.scene.grounding.rendered_views.one_stage import CELLS, Cells, OneStage, Words
from models.scene.grounding.rendered_views.views import HEIGHT, WIDTH, View

AT_ONCE = 8  # sentences


@dataclass(frozen=True)
class Answer2D:
    """What a sentence means.

    view: which of the views. rectangle: (4,) left, top, right, bottom in it, pixels. box: (6,) min xyz, max
    xyz, metres, in the scan's aligned frame; None where nothing is seen in the rectangle.
    """

    view: int
    rectangle: NDArray[np.float32]
    box: NDArray[np.float32] | None


@torch.inference_mode()
def ground(network: OneStage, views: Sequence[View], sentences: Sequence[str]) -> list[Answer2D]:
    """An answer to each sentence. network: in evaluation mode. Raises UserError("package_missing")."""
    where = next(network.parameters()).device
    seen = features(views)
    seen = type(seen)(*(level.to(where, torch.float32) for level in vars(seen).values()))
    found = []
    for start in range(0, len(sentences), AT_ONCE):
        tokens = token_vectors(sentences[start : start + AT_ONCE])
        cells = network(seen, Words(tokens.vectors[None], tokens.mask[None]).to(where))
        found += [_answer(cells, place, views) for place in range(cells.scores.shape[1])]
    return found


def _answer(cells: Cells, place: int, views: Sequence[View]) -> Answer2D:
    best = int(cells.scores[0, place].argmax())
    rectangle = cells.boxes[0, place, best].cpu().numpy()
    rectangle = np.clip(rectangle, 0, [WIDTH, HEIGHT, WIDTH, HEIGHT]).astype(np.float32)
    view = best // CELLS
    return Answer2D(view, rectangle, lift(views[view], rectangle))
