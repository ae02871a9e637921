"""Boxes of polyps: from masks, between their two ways of writing, and looked at in a map of features."""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample

from models.colonoscopy.data.images import Mask

SPECK = 0.0002  # share of a frame; a smaller component is a stray pixel of a mask's edge


def from_mask(mask: Mask) -> NDArray[np.float32]:
    """Boxes (N, 4) of a mask's connected components: left, top, right, bottom in pixels, right excluded."""
    count, _, facts, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    kept = [facts[i] for i in range(1, count) if facts[i, cv2.CC_STAT_AREA] >= SPECK * mask.size]
    found = [(x, y, x + w, y + h) for x, y, w, h, _ in kept]
    return np.array(found, np.float32).reshape(-1, 4)


def targets(masks: Tensor) -> list[Tensor]:
    """Boxes (N, 4) of each of (B, 1, H, W) masks, as corners in shares of the frame's sides, 0 to 1."""
    height, width = masks.shape[2:]
    sides = np.array([width, height, width, height], np.float32)
    found = [from_mask(mask > 0.5) / sides for mask in masks[:, 0].cpu().numpy()]
    return [torch.from_numpy(one).to(masks.device) for one in found]


def corners(boxes: Tensor) -> Tensor:
    """(..., 4) middle and sides -> left, top, right, bottom."""
    middle, half = boxes[..., :2], boxes[..., 2:] / 2
    return torch.cat([middle - half, middle + half], -1)


def middles(boxes: Tensor) -> Tensor:
    """(..., 4) left, top, right, bottom -> middle and sides."""
    start, end = boxes[..., :2], boxes[..., 2:]
    return torch.cat([(start + end) / 2, end - start], -1)


def roi_align(levels: list[Tensor], boxes: Tensor, size: int, first: int = 2) -> Tensor:
    """RoIAlign (He et al., ICCV 2017) on a pyramid: each box is read from the level that fits its size.

    levels: (B, C, h, w) at strides 2^first and coarser. boxes: (B, N, 4) corners in 0..1 -> (B, N, C, size,
    size), the mean of 2 x 2 samples a cell. The level is FPN's: a box of 224 pixels is read at stride 16.
    """
    sides = boxes[..., 2:] - boxes[..., :2]
    pixels = levels[0].shape[3] * 2**first
    wanted = torch.floor(4 + torch.log2(pixels * sides.clamp(min=1e-6).prod(-1).sqrt() / 224 + 1e-8))
    wanted = wanted.clamp(first, first + len(levels) - 1)
    steps = (torch.arange(2 * size, device=boxes.device) + 0.5) / (2 * size)
    x = boxes[..., :1] + steps * sides[..., :1]  # (B, N, 2 size)
    y = boxes[..., 1:2] + steps * sides[..., 1:]
    grid = torch.stack(
        [x[:, :, None].expand(-1, -1, 2 * size, -1), y[..., None].expand(-1, -1, -1, 2 * size)], -1
    )
    batch, count = boxes.shape[:2]
    flat = 2 * grid.reshape(batch, count * 2 * size, 2 * size, 2) - 1
    found = levels[0].new_zeros(batch, levels[0].shape[1], count * 2 * size, 2 * size)
    for number, level in enumerate(levels):
        here = (wanted == first + number).repeat_interleave(2 * size, 1)[:, None, :, None]
        found = found + here * grid_sample(level, flat.to(level.dtype), align_corners=False)
    cells = avg_pool2d(found, 2).unflatten(2, (count, size))
    return cells.transpose(1, 2)
