"""Which voice fits a face: how high a voice is expected of it, from the picture alone.

After the matching of faces and voices (Nagrani et al., "Seeing Voices and Hearing Faces", CVPR 2018), and
much smaller: a ridge regression from what EfficientNet-Lite2, as ImageNet left it, sees of a face to the
logarithm of the speaker's pitch. It only proposes which voice is offered first.
"""

from functools import cache

import cv2
import numpy as np
import torch
from huggingface_hub import PyTorchModelHubMixin
from numpy.typing import NDArray
from torch import Tensor, nn

from models.core import device
from models.core.checkpoints import load_checkpoint
from models.core.nn.efficientnet import imagenet, pooled

NAME = "face_voice"
NETWORK, WIDTH = "lite2", 520
SIDE = 224  # pixels of the square that a face is looked at in
ROOM, RAISED = 1.7, 0.08  # its side in sizes of the face's mesh; how far above the mesh's middle its own lies
BETWEEN = 165.0  # Hz: most women's voices are higher, most men's lower
UNSURE = 0.15  # of the logarithm, around that: no voice is proposed

Picture = NDArray[np.uint8]


class VoiceMatcher(nn.Module, PyTorchModelHubMixin):
    """The logarithm of the pitch in Hz that is expected of faces with features (B, WIDTH)."""

    mean: Tensor
    deviation: Tensor
    weights: Tensor
    middle: Tensor

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(width))
        self.register_buffer("weights", torch.zeros(width))
        self.register_buffer("middle", torch.tensor(float(np.log(BETWEEN))))

    @classmethod
    def of(cls, features: Tensor, pitches: Tensor, trust: Tensor, ridge: float) -> "VoiceMatcher":
        """Fitted to features (N, width) of faces and the logarithms (N,) of their pitches.

        trust: (N,), how much each counts. ridge: how strongly it is held back, as a share of the width.
        """
        matcher = cls(features.shape[1])
        matcher.mean.copy_(features.mean(0))
        matcher.deviation.copy_(features.std(0).clamp(min=1e-6))
        matcher.middle.copy_((trust * pitches).sum() / trust.sum())
        known = (features - matcher.mean) / matcher.deviation
        kernel = known @ known.T / known.shape[1] + ridge * torch.diag(trust.mean() / trust)
        matcher.weights.copy_(known.T @ torch.linalg.solve(kernel, pitches - matcher.middle) / known.shape[1])
        return matcher

    def forward(self, features: Tensor) -> Tensor:
        """(B, width) to (B,)."""
        return self.middle + (features - self.mean) / self.deviation @ self.weights


def kind_of(image: Picture, pixels: NDArray[np.float32]) -> str:
    """Whether a "female" or a "male" voice is likely to fit, "" where neither is.

    image: (H, W, 3). pixels: (478, 2 or more), the face's mesh in it. Raises UserError: package_missing,
    checkpoint_missing, checkpoint_broken.
    """
    return kind_at(float(_matcher()(seen(image, pixels)[None])))


def kind_at(pitch: float) -> str:
    """The kind of voice at the logarithm of a pitch in Hz."""
    above = pitch - float(np.log(BETWEEN))
    if abs(above) < UNSURE:
        return ""
    return "female" if above > 0 else "male"


def seen(image: Picture, pixels: NDArray[np.float32]) -> Tensor:
    """The features (WIDTH,) of a face, the mean of it and of its mirror image."""
    low, high = pixels[:, :2].min(0), pixels[:, :2].max(0)
    side = ROOM * float((high - low).max())
    middle = (low + high) / 2 - (0, RAISED * side)
    scale = SIDE / side
    place = np.array([[scale, 0, SIDE / 2 - scale * middle[0]], [0, scale, SIDE / 2 - scale * middle[1]]])
    face = cv2.warpAffine(image, place, (SIDE, SIDE), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE)
    both = torch.from_numpy(np.stack([face, face[:, ::-1]])).permute(0, 3, 1, 2).float() / 255
    return pooled(imagenet(NETWORK), both.to(device.best())).mean(0)


@cache
def _matcher() -> VoiceMatcher:
    return load_checkpoint(VoiceMatcher, NAME)
