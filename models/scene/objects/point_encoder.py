"""The point encoder of the shipped AP: an object's own points, by sparse convolution, as 128 numbers.

The encoder is the paper's (a stem and four stages, perception.py), narrower and
on coarser voxels, taught to name objects and then frozen: grounding reads its
features. It sees positions alone, because the real clouds it learns from have
no colour by point; an object's mean colour reaches AP beside it.
"""

from collections.abc import Sequence

import numpy as np
import torch
from huggingface_hub import PyTorchModelHubMixin
from numpy.typing import NDArray
from torch import Tensor, nn

from models.core.nn.sparse import SparseTensor, global_avg_pool, global_max_pool, quantize
from models.scene.grounding.instancerefer.perception import SparseConvEncoder

WIDTH = 128
MOST_POINTS = 1024
AT_ONCE = 64


class ShapeEncoder(nn.Module, PyTorchModelHubMixin):
    """Points of objects to features and class logits.

    classes: names of the labels it was taught, in the order of the logits. voxel: metres.
    """

    def __init__(self, *, classes: Sequence[str], voxel: float = 0.05) -> None:
        super().__init__()
        self.classes = tuple(classes)
        self.voxel = voxel
        self.net = SparseConvEncoder(4, (24, 32, 64, 96, 128))
        self.squeeze = nn.Sequential(nn.Linear(2 * 128 + 4, WIDTH), nn.LayerNorm(WIDTH), nn.Tanh())
        self.classify = nn.Linear(WIDTH, len(self.classes))

    def forward(self, xyz: Tensor, item: Tensor, items: int, floor: Tensor) -> tuple[Tensor, Tensor]:
        """(items, WIDTH) features in [-1, 1] and (items, classes) logits.

        xyz: (P, 3) metres, z up. item: (P,) the object of each point.
        floor: (items,) z of the floor of each one's scene.
        """
        low = xyz.new_full((items, 3), torch.inf).scatter_reduce(0, item[:, None].expand(-1, 3), xyz, "amin")
        high = xyz.new_full((items, 3), -torch.inf).scatter_reduce(
            0, item[:, None].expand(-1, 3), xyz, "amax"
        )
        middle = (low + high) / 2
        local = torch.cat([xyz - middle[item], xyz[:, 2:] - floor[item][:, None]], 1)
        coords, first = quantize(xyz, self.voxel, item, from_zero=True)
        found = self.net(SparseTensor(coords, local[first], items))
        size = torch.cat([high - low, (low[:, 2] - floor)[:, None]], 1)
        features = self.squeeze(torch.cat([global_max_pool(found), global_avg_pool(found), size], 1))
        return features, self.classify(features)

    @torch.inference_mode()
    def encode(self, clouds: Sequence[NDArray[np.float32]], floor: float) -> NDArray[np.float32]:
        """(N, WIDTH) features of N clouds (P, 3) of one scene; 0 for an empty cloud."""
        device = self.classify.weight.device
        features = np.zeros((len(clouds), WIDTH), np.float32)
        filled = [place for place, cloud in enumerate(clouds) if len(cloud)]
        for start in range(0, len(filled), AT_ONCE):
            chosen = filled[start : start + AT_ONCE]
            parts = [thinned(clouds[place]) for place in chosen]
            xyz, item = joined(parts)
            floors = torch.full((len(parts),), floor)
            found, _ = self(xyz.to(device), item.to(device), len(parts), floors.to(device))
            features[chosen] = found.float().cpu().numpy()
        return features


def thinned(cloud: NDArray[np.float32], most: int = MOST_POINTS) -> NDArray[np.float32]:
    """At most `most` points, spread evenly over the cloud's order."""
    if len(cloud) <= most:
        return cloud
    return cloud[np.linspace(0, len(cloud) - 1, most).astype(np.int64)]


def joined(clouds: Sequence[NDArray[np.float32]]) -> tuple[Tensor, Tensor]:
    """Clouds (P_i, 3) as one (P, 3) and the index of each point's cloud (P,)."""
    counts = torch.tensor([len(cloud) for cloud in clouds])
    xyz = torch.from_numpy(np.concatenate(clouds).astype(np.float32))
    return xyz, torch.arange(len(clouds)).repeat_interleave(counts)
