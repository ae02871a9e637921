"""Whether a drawn frame is a training frame remembered: the distance to the nearest of them.

Distances are those of EfficientNet-Lite2's features, as ImageNet left them: no image is shipped, and no
network of this lab has learnt from them. A distance means something beside others, so the checkpoint
carries how near to the training frames real frames lie that nobody trained on.
"""

from functools import cache

import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from models.colonoscopy.data.images import Frame, squared
from models.core.checkpoints import load_checkpoint
from models.core.nn.efficientnet import imagenet, pooled

NAME = "colonoscopy_memory"
NETWORK = "lite2"
SIZE = 256
AT_ONCE = 8
FAR = 1.62  # distance from which a picture is no endoscopy: real frames reach 1.54, a retina is at 1.84


class Memory(nn.Module, PyTorchModelHubMixin):
    """Features of `known` training frames, and the nearest distances of `unseen` real frames."""

    mean: Tensor
    deviation: Tensor
    features: Tensor
    usual: Tensor

    def __init__(self, known: int, unseen: int, width: int = 520) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(width))
        self.register_buffer("features", torch.zeros(known, width))
        self.register_buffer("usual", torch.zeros(unseen))

    @classmethod
    def of(cls, training: Tensor, unseen: Tensor) -> "Memory":
        """From features (N, width) of training frames and (M, width) of frames that nobody trained on."""
        memory = cls(len(training), len(unseen), training.shape[1])
        memory.mean.copy_(training.mean(0))
        memory.deviation.copy_(training.std(0))
        memory.features.copy_((training - memory.mean) / memory.deviation)
        memory.usual.copy_(memory.nearest(unseen).sort().values)
        return memory

    def nearest(self, features: Tensor) -> Tensor:
        """Distances (B,) of (B, width) to the nearest training frame, in root mean square deviations."""
        standard = (features.to(self.mean.device) - self.mean) / self.deviation
        return torch.cdist(standard, self.features).amin(1) / self.mean.numel() ** 0.5

    def percentile(self, distance: float) -> float:
        """How many per cent of unseen real frames are as near to a training frame, or nearer."""
        return float((self.usual <= distance).float().mean()) * 100


def features(frames: list[Frame]) -> Tensor:
    """(N, 520) of frames of any size."""
    network = imagenet(NETWORK)
    where = next(network.parameters()).device
    found = []
    for start in range(0, len(frames), AT_ONCE):
        pixels = torch.stack([torch.from_numpy(squared(f, SIZE)) for f in frames[start : start + AT_ONCE]])
        found.append(pooled(network, pixels.to(where).permute(0, 3, 1, 2).float() / 255).cpu())
    return torch.cat(found)


@cache
def load() -> Memory:
    """The memory that ships. Raises UserError as `load_checkpoint` does."""
    return load_checkpoint(Memory, NAME)
