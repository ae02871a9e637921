"""A sync network: does this mouth move with this sound? After SyncNet (Chung and Zisserman, ACCVW 2016).

Five frames of a mouth and the 0.2 s of sound around them are each made a
vector; the nearer, the more likely they belong together. Distance and
confidence are defined as there: distances at +-15 frames are averaged over a
clip, the least of them is the distance, its margin below the median the
confidence. Trained by us (`training/sync.py`), so its figures compare with
each other and not with those that other papers print.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from huggingface_hub import PyTorchModelHubMixin
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import normalize

from models.core.disk_array import Spool
from models.face.sources.mesh import MOUTH_CORNERS, project
from models.face.sources.tracking import Track

NAME = "face_sync"
FRAMES = 5  # that are seen at once, and heard
SHIFTS = 15  # frames the sound is moved to either side
SIDE, REACH = 48, 4.2  # pixels of a mouth's side, and half of it in cm of the face
BANDS = 80  # of the spectrogram, two columns a frame
PIECE = 250  # windows that are looked at at once, so that memory doesn't grow with the film


class SyncNet(nn.Module, PyTorchModelHubMixin):
    """Convolutions over each frame and each column of sound, then over 0.2 s of them; 0.8 M parameters."""

    def __init__(self, width: int = 24, out: int = 128) -> None:
        super().__init__()
        w = width
        self.see = nn.Sequential(
            *_conv(1, w, 2), *_conv(w, 2 * w, 2), *_conv(2 * w, 4 * w, 2), *_conv(4 * w, out, 2),
            nn.Flatten(), nn.Linear(out * 9, out), nn.SiLU(), nn.Dropout(0.2),
        )  # fmt: skip
        self.hear = nn.Sequential(
            *_conv(1, w, (2, 1)), *_conv(w, 2 * w, (2, 1)), *_conv(2 * w, 4 * w, (2, 1)),
            *_conv(4 * w, out, (2, 1)), nn.Flatten(1, 2), nn.Conv1d(out * 5, out, 1),
            nn.SiLU(), nn.Dropout(0.2),
        )  # fmt: skip
        self.seen = nn.Conv1d(out, out, FRAMES)
        self.heard = nn.Conv1d(out, out, 2 * FRAMES, stride=2)
        self.scale = nn.Parameter(torch.tensor(2.3))

    def forward(self, mouths: Tensor, mel: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Unit vectors (B, T - 4, 128) and (B, S - 4, 128), and how much a cosine counts in training.

        mouths: (B, T, 48, 48) in 0..1. mel: (B, S, 160).
        """
        frames = self.see(mouths.flatten(0, 1)[:, None] - 0.5).unflatten(0, mouths.shape[:2])
        columns = self.hear(mel.reshape(len(mel), 1, -1, BANDS).transpose(2, 3))
        seen = self.seen(frames.transpose(1, 2)).transpose(1, 2)
        heard = self.heard(columns).transpose(1, 2)
        return normalize(seen, dim=2), normalize(heard, dim=2), self.scale.exp().clamp(max=50)


def _conv(before: int, after: int, stride: int | tuple[int, int]) -> list[nn.Module]:
    return [
        nn.Conv2d(before, after, 3, stride, 1, bias=False),
        nn.GroupNorm(8, after),
        nn.SiLU(inplace=True),
    ]


@dataclass(frozen=True)
class Sync:
    """How well mouth and sound go together.

    distance: 0 to 2. confidence: its margin below the median shift's.
    lag: frames by which the sound must be moved to fit best; positive where the mouth is late.
    """

    distance: float
    confidence: float
    lag: int


def mouth(
    frame: NDArray[np.uint8], pose: NDArray[np.float32], rest: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """The mouth of a frame (H, W, 3), upright and of one size: (48, 48), grey. rest: the face (478, 3) cm."""
    middle = rest[list(MOUTH_CORNERS)].mean(axis=0)
    marks = middle + np.array([(0, 0, 0), (REACH, 0, 0), (0, -REACH, 0)], np.float32)
    here = np.ascontiguousarray(project(pose, marks)[:, :2])
    there = np.array([(SIDE / 2, SIDE / 2), (SIDE, SIDE / 2), (SIDE / 2, SIDE)], np.float32)
    warp = cv2.getAffineTransform(here, there)
    cut = cv2.warpAffine(frame, warp, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.cvtColor(cut, cv2.COLOR_RGB2GRAY), np.uint8)


def mouths(frames: Iterable[NDArray[np.uint8]], track: Track) -> NDArray[np.uint8]:
    """The mouth in each frame of a track: (T, 48, 48), grey."""
    crops = [mouth(frame, pose, track.rest) for frame, pose in zip(frames, track.poses, strict=True)]
    return np.stack(crops)


@torch.inference_mode()
def measure(network: SyncNet, mouth: NDArray[np.uint8] | Spool, mel: NDArray[np.float32]) -> Sync:
    """The sync of mouths (T, 48, 48) with a spectrogram (T, 160), see `Heard.mel`."""
    seen, heard = _vectors(network, mouth, mel)
    count = len(seen)
    mean = []
    for shift in range(-SHIFTS, SHIFTS + 1):  # window t with the sound of t + shift
        first, last = max(0, -shift), count - max(0, shift)
        apart = seen[first:last] - heard[first + shift : last + shift]
        mean.append(float(apart.norm(dim=1).mean()) if last > first else float("nan"))
    values = np.array(mean)
    best = int(np.nanargmin(values))
    return Sync(float(values[best]), float(np.nanmedian(values) - values[best]), SHIFTS - best)


def _vectors(
    network: SyncNet, mouth: NDArray[np.uint8] | Spool, mel: NDArray[np.float32]
) -> tuple[Tensor, Tensor]:
    """Both vectors of each window, (T - 4, 128) each, computed PIECE windows at a time."""
    seen, heard, where = [], [], network.scale.device
    for start in range(0, len(mouth) - FRAMES + 1, PIECE):
        part = slice(start, start + PIECE + FRAMES - 1)
        pictures = torch.from_numpy(np.asarray(mouth[part], np.float32))[None] / 255
        a, b, _ = network(pictures.to(where), torch.from_numpy(mel[part])[None].to(where))
        seen.append(a[0])
        heard.append(b[0])
    return torch.cat(seen), torch.cat(heard)
