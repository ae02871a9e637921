"""What the film's networks are told of a clip: its first frame carried to each pose, the mask, the noise."""

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.colonoscopy.data.images import Frame, Mask
from models.colonoscopy.synthesis.super_resolution import MIDDLE
from models.colonoscopy.video.camera import Field, inside, sampled
from models.colonoscopy.video.film_networks import NOISE, Condition

CANVAS = 3  # how many times wider than the frame the field is that noise comes from


def carried(first: Frame, lens: Mask, masks: NDArray[np.bool_], came: Field, size: int = MIDDLE) -> Condition:
    """The condition of one clip at a size.

    first: uint8 (S, S, 3). lens: (S, S), what is tissue in it. masks: (T, size, size). came: (T, size, size,
    2), where in the first frame each pixel was.
    """
    filled = without_border(first, lens)
    tissue = lens.astype(np.float32)
    frames, known = [], []
    for at in came:
        frames.append(sampled(filled, at, cv2.INTER_CUBIC).clip(0, 255))
        known.append((sampled(tissue, at) > 0.99) & inside(at))
    shape = (len(came), size, size)
    return Condition(
        torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)[None] / 127.5 - 1,
        torch.from_numpy(np.stack(known).reshape(shape)).float()[None, :, None],
        torch.from_numpy(np.ascontiguousarray(masks)).float()[None, :, None],
    )


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
