"""A polyp in one's own frame, or one taken away: the cascade draws a square of it, the rest stays to the bit.

RePaint (Lugmayr et al., CVPR 2022): a generator that was never told of holes fills one, because at every step
what is known is put back, and each step is taken several times, so that the drawn part hears of the known
one. Here the known part goes into the estimate of the clean frame, before noise is added again.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from models.colonoscopy.data.images import Frame, Mask
from models.colonoscopy.synthesis.arsdm import clean_estimate
from models.colonoscopy.synthesis.cascade import SMALL, small_label
from models.colonoscopy.synthesis.denoising import Predict, guided
from models.colonoscopy.synthesis.generator import OF_BASE, SIZE, Cascade, look_place, picture, pixels
from models.colonoscopy.synthesis.super_resolution import enlarged

# Sides of the square that is drawn, in sides of the polyp's box. The networks know whole frames: in a tighter
# one they take the polyp for a large one and what is around it for the lumen, and draw it dark.
ROUND = 4.0
LEAST = 96  # pixels of that square, at least
RIM = 0.08  # of the square's side: how far beyond the mask pixels may change
TIMES = 3  # how often RePaint takes each step of the base
GUIDANCE = 1.5, 2.0  # of the base, of the detail, where a polyp is drawn; tissue needs none, nor bears any


@dataclass(frozen=True)
class Area:
    """The square of a frame that is drawn. May lie partly outside it, where the frame's edge is repeated."""

    top: int
    left: int
    side: int


def area_around(mask: Mask) -> Area:
    """The square around a mask (H, W) with enough tissue beside it to know light and palette by."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    tall, wide = rows[-1] + 1 - rows[0], columns[-1] + 1 - columns[0]
    side = max(LEAST, round(ROUND * max(tall, wide)))
    side = min(side, max(mask.shape))
    top = _placed((rows[0] + rows[-1] + 1 - side) // 2, side, mask.shape[0])
    left = _placed((columns[0] + columns[-1] + 1 - side) // 2, side, mask.shape[1])
    return Area(int(top), int(left), int(side))


def feathered(mask: Mask, side: int) -> NDArray[np.float32]:
    """(H, W) 0..1: 1 on the mask, falling to exactly 0 within the rim around it."""
    rim = max(2.0, RIM * side)
    outside = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 5)
    falling = np.clip(1 - outside / rim, 0, 1)
    return (falling * falling * (3 - 2 * falling)).astype(np.float32)


def inpaint(
    cascade: Cascade,
    frame: Frame,
    mask: Mask,
    *,
    seed: int = 0,
    steps: int = 20,
    look: str = "any",
    remove: bool = False,
) -> Iterator[tuple[float, Frame]]:
    """Draw a polyp under a mask in a frame, or tissue where one is.

    frame: uint8 (H, W, 3) of any size. mask: bool (H, W), not empty. remove: the polyp goes. Yields the share
    of the work that is done and the whole frame as expected then; the last is the result. Where `feathered`
    is 0 every pixel is the frame's.
    """
    area = area_around(mask)
    blend = feathered(mask, area.side)
    known = _square(frame, area)
    drawn = cv2.resize(_cut(mask.astype(np.float32), area), (SIZE, SIZE), interpolation=cv2.INTER_AREA) > 0.5
    open_ = cv2.resize(_cut(blend, area), (SIZE, SIZE), interpolation=cv2.INTER_AREA) > 0
    for share, square in _squares(cascade, known, drawn, open_, seed, steps, look, remove):
        yield share, _put_back(frame, square, area, blend)


@torch.inference_mode()
def _squares(
    cascade: Cascade, known: Frame, mask: Mask, hole: Mask, seed: int, steps: int, look: str, remove: bool
) -> Iterator[tuple[float, Frame]]:
    """The square (SIZE, SIZE, 3) with its hole filled, at 32 pixels, then at 256."""
    where = cascade.base.device
    generator = torch.Generator().manual_seed(seed)
    frame = pixels(known).to(where)
    polyp = torch.from_numpy(mask & (not remove)).float()[None].to(where)
    holes = torch.from_numpy(hole).float()[None, None].to(where)
    places = torch.tensor([look_place(look)], device=where)
    of_base, of_detail = (1.0, 1.0) if remove else GUIDANCE
    none = torch.zeros_like(polyp)  # guidance leads away from "no polyp", not from no word of any
    base = guided(
        lambda noisy, times, label: cascade.base(noisy, times, label, places.expand(len(times))),
        small_label(polyp, SMALL),
        of_base,
        small_label(none, SMALL),
    )
    small_hole = (adaptive_avg_pool2d(holes, SMALL) > 0).float()
    small = frame
    for share, small in _repaint(
        cascade, base, adaptive_avg_pool2d(frame, SMALL), small_hole, generator, steps
    ):
        yield OF_BASE * share, picture(enlarged(small, SIZE // SMALL))
    known_too = frame, (holes > 0).float()
    for share, square in cascade.detail(
        small, polyp, generator, guidance=of_detail, opposite=none, known=known_too
    ):
        yield OF_BASE + (1 - OF_BASE) * share, picture(square)


def _repaint(
    cascade: Cascade,
    v: Predict,
    known: Tensor,
    hole: Tensor,
    generator: torch.Generator,
    steps: int,
) -> Iterator[tuple[float, Tensor]]:
    """Ancestral sampling with what is known put into every estimate. hole: 1 where it is drawn.

    Yields the share of steps done and the clean frame expected then; the last is the frame.
    """
    kept = cascade.schedule.alphas_cumprod.to(known.device)
    last = len(kept) - 1
    places = torch.linspace(last, 0, steps + 1).round().long().tolist()

    def fresh() -> Tensor:
        return torch.randn(known.shape, generator=generator).to(known.device)

    noisy, clean = fresh(), known
    for done, (at, after) in enumerate(itertools.pairwise(places), 1):
        for again in range(TIMES):
            predicted = v(noisy, torch.tensor([at], device=known.device))
            clean = clean_estimate(noisy, predicted, kept[at : at + 1]).clamp(-1, 1)
            clean = hole * clean + (1 - hole) * known
            below = kept[after].sqrt() * clean + (1 - kept[after]).sqrt() * _between(
                noisy, clean, kept[at], kept[after], fresh()
            )
            if again + 1 < TIMES:
                left = kept[at] / kept[after]
                noisy = left.sqrt() * below + (1 - left).sqrt() * fresh()
        noisy = below
        yield done / steps, clean


def _between(noisy: Tensor, clean: Tensor, before: Tensor, after: Tensor, fresh: Tensor) -> Tensor:
    """The noise of a DDIM step with an eta of 1, of unit size: some that is there, some fresh."""
    there = (noisy - before.sqrt() * clean) / (1 - before).sqrt()
    share = (1 - before / after) / (1 - before)
    return (1 - share).sqrt() * there + share.sqrt() * fresh


def _placed(start: int, side: int, size: int) -> int:
    """A start that keeps the square inside the frame where the frame is large enough."""
    return (size - side) // 2 if side >= size else min(max(start, 0), size - side)


def _cut(pixels: NDArray[Any], area: Area) -> NDArray[Any]:
    """The square of an image; beyond the image its edge is repeated."""
    height, width = pixels.shape[:2]
    rows = np.arange(area.top, area.top + area.side).clip(0, height - 1)
    columns = np.arange(area.left, area.left + area.side).clip(0, width - 1)
    return np.ascontiguousarray(pixels[rows][:, columns])


def _square(frame: Frame, area: Area) -> Frame:
    cut = _cut(frame, area)
    by = cv2.INTER_AREA if area.side > SIZE else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(cut, (SIZE, SIZE), interpolation=by), np.uint8)


def _put_back(frame: Frame, square: Frame, area: Area, blend: NDArray[np.float32]) -> Frame:
    """The frame with the square blended in, its own pixels where blend is 0."""
    height, width = frame.shape[:2]
    by = cv2.INTER_AREA if area.side < SIZE else cv2.INTER_CUBIC
    drawn = cv2.resize(square, (area.side, area.side), interpolation=by)
    rows = slice(max(area.top, 0), min(area.top + area.side, height))
    columns = slice(max(area.left, 0), min(area.left + area.side, width))
    drawn = drawn[
        rows.start - area.top : rows.stop - area.top, columns.start - area.left : columns.stop - area.left
    ]
    result = frame.copy()
    share = blend[rows, columns, None]
    mixed = frame[rows, columns] * (1 - share) + drawn * share
    result[rows, columns] = np.where(share > 0, mixed.round(), frame[rows, columns])
    return result
