"""What the film's networks are told of a clip: its first frame carried to each pose, the mask, the noise."""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.colonoscopy.data.images import Frame, Mask, fitted
from models.colonoscopy.synthesis.super_resolution import MIDDLE
from models.colonoscopy.video.camera import Field, inside, sampled
from models.colonoscopy.video.film_networks import NOISE, Condition

TORN = (0.15, 4.0)  # of a pixel's area in the first frame, beyond which it is not believed
RIM = 0.025  # of the side: how far from the lens's edge tissue is dark, or isn't
CANVAS = 3  # how many times wider than the frame the field is that noise comes from


def carried(
    first: Frame, lens: Mask, masks: NDArray[np.bool_], came: Field, light: Field, size: int = MIDDLE
) -> Condition:
    """The condition of one clip at a size.

    first: uint8 (S, S, 3). lens: (S, S), what is tissue in it. masks: (T, size, size). came: (T, size, size,
    2), where in the first frame each pixel was. light: (T, size, size), how much brighter it is now.
    That the border is black is known of every frame.
    """
    border = ~fitted(lens, size, size)
    rim = max(3, 2 * round(RIM * len(lens)) + 1)
    lens = cv2.erode(np.pad(lens, 1).astype(np.uint8), np.ones((rim, rim)))[1:-1, 1:-1] > 0
    filled, tissue = without_border(first, lens), lens.astype(np.float32)
    frames, known = [], []
    for at, lit in zip(came, light, strict=True):
        frame = (sampled(filled, at, cv2.INTER_CUBIC) * lit[..., None]).clip(0, 255)
        frame[border] = 0
        frames.append(frame)
        seen = (sampled(tissue, at) > 0.99) & inside(at) & ~torn(at)
        known.append(seen | border)
    shape = (len(came), size, size)
    return Condition(
        torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)[None] / 127.5 - 1,
        torch.from_numpy(np.stack(known).reshape(shape)).float()[None, :, None],
        torch.from_numpy(np.ascontiguousarray(masks)).float()[None, :, None],
    )


def torn(came: Field) -> Mask:
    """Where a view (S, S, 2) is stretched or pressed so that nobody can tell what lay there, a bit wider."""
    side = came.shape[0]
    down, across = (np.gradient(came, axis=axis) * (side / 2) for axis in (0, 1))
    area = across[..., 0] * down[..., 1] - across[..., 1] * down[..., 0]
    wrong = (area < TORN[0]) | (area > TORN[1])
    return cv2.dilate(wrong.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0


def without_border(frame: Frame, lens: Mask) -> Field:
    """A frame whose tissue goes on, blurred, where the lens shows none."""
    weight = lens.astype(np.float32)
    colours = frame.astype(np.float32) * weight[..., None]
    sigma = frame.shape[0] / 24
    near = cv2.GaussianBlur(weight, (0, 0), sigma) + 1e-3
    goes_on = cv2.GaussianBlur(colours, (0, 0), sigma) / near[..., None]
    return np.asarray(colours + goes_on * (1 - weight[..., None]), np.float32)


def noise_field(seed: int) -> Field:
    """What detail is made up from, (CANVAS MIDDLE, CANVAS MIDDLE, NOISE), over a frame and around it."""
    side = CANVAS * MIDDLE
    return np.random.default_rng(seed).standard_normal((side, side, NOISE), np.float32)


def moving_noise(field: Field, came: Field) -> Tensor:
    """Noise that lies on the tissue: (1, T, NOISE, S, S). came: see `carried`."""
    clip = np.stack([sampled(field, at / CANVAS, cv2.INTER_NEAREST) for at in came])
    return torch.from_numpy(clip).permute(0, 3, 1, 2)[None]
