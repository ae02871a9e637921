"""Frames as the clips that networks see, and back."""

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


def as_clips(frames: Tensor) -> Tensor:
    """uint8 frames (B, T, S, S, 3) as clips (B, 3, T, S, S) in -1..1."""
    return frames.permute(0, 4, 1, 2, 3).float() / 127.5 - 1


def as_frames(clip: Tensor) -> NDArray[np.uint8]:
    """A clip (1, 3, T, S, S), about -1..1, as uint8 frames (T, S, S, 3)."""
    pixels = (clip[0].float().clamp(-1, 1) + 1) * 127.5
    return pixels.round().byte().permute(1, 2, 3, 0).cpu().numpy()
