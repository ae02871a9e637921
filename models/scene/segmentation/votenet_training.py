"""Teaching VoteNet: the real clouds and the made rooms that PointGroup learns from, disturbed alike.

Losses are the paper's (section 4 and its appendix) with the weights of ScanRefer's released code; boxes are
axis-aligned, so that there is no heading to learn.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, smooth_l1_loss

from models.core.training import fit, save_half
from models.scene.segmentation.point_sampling import take
from models.scene.segmentation.scenes import Scene, boxes_of, real_scenes
from models.scene.segmentation.training import chosen_scenes, disturbed
from models.scene.segmentation.votenet import CLASSES, VoteNet

SHIPPED: dict[str, Any] = {
    "width": 64,
    "centroids": (1024, 512, 256, 128),
    "neighbours": (32, 16, 16, 16),
    "proposals": 128,
}
POINTS = 6000  # of a scene
SCENES = 4  # a batch
VOXEL = 0.03  # metres: of several points in one only their mean is seen
MOST = 64  # objects of a scene that are taught
NEAR, FAR = 0.3, 0.6  # metres: a cluster this near to a centre is an object, one farther than this is none


@dataclass(frozen=True)
class Objects:
    """What is in B scenes of P points.

    votes: (B, P, 3) the centre of each point's object. voting: (B, P) bool, whether it has one.
    centres, sizes: (B, G, 3) metres. kinds: (B, G) place in CLASSES. real: (B, G) bool, False for padding.
    """

    votes: Tensor
    voting: Tensor
    centres: Tensor
    sizes: Tensor
    kinds: Tensor
    real: Tensor

    def to(self, device: str | torch.device) -> "Objects":
        """The same on another device."""
        return Objects(**{name: value.to(device) for name, value in vars(self).items()})


def collate(scenes: Sequence[Scene], rng: np.random.Generator, count: int) -> tuple[Tensor, Objects]:
    """Points (B, count, 4), the height beside xyz, and what is in them."""
    points, votes, voting = [], [], []
    centres, sizes = np.zeros((2, len(scenes), MOST, 3), np.float32)
    kinds, real = np.zeros((len(scenes), MOST), np.int64), np.zeros((len(scenes), MOST), bool)
    for row, scene in enumerate(scenes):
        boxes, classes, owners = (part[:MOST] for part in boxes_of(scene))
        keep = rng.choice(len(scene.xyz), count, replace=len(scene.xyz) < count)
        xyz = scene.xyz[keep]
        points.append(np.concatenate([xyz, xyz[:, 2:]], 1))
        middle = (boxes[:, :3] + boxes[:, 3:]) / 2
        place = np.full(int(scene.owner.max(initial=-1)) + 2, -1)
        place[owners] = np.arange(len(owners))
        mine = place[scene.owner[keep]]
        voting.append(mine >= 0)
        votes.append(np.where((mine >= 0)[:, None], middle[mine] if len(middle) else xyz, xyz))
        found = slice(len(boxes))
        centres[row, found], sizes[row, found] = middle, boxes[:, 3:] - boxes[:, :3]
        kinds[row, found], real[row, found] = classes, True
    arrays = (np.stack(votes).astype(np.float32), np.stack(voting), centres, sizes, kinds, real)
    return torch.from_numpy(np.stack(points).astype(np.float32)), Objects(*map(torch.from_numpy, arrays))


def mean_sizes(scenes: Sequence[Scene]) -> list[list[float]]:
    """(18, 3) mean size of each class; the mean of all where a class is not there."""
    found = [boxes_of(scene) for scene in scenes]
    sizes = np.concatenate([boxes[:, 3:] - boxes[:, :3] for boxes, *_ in found])
    kinds = np.concatenate([kinds for _, kinds, _ in found])
    rows = [sizes[kinds == place] for place in range(len(CLASSES))]
    return [[round(float(v), 3) for v in (row if len(row) else sizes).mean(0)] for row in rows]


def batches(data: Path, real: Sequence[Scene], seed: int) -> Iterator[tuple[Tensor, Objects]]:
    """Endless batches of disturbed scenes."""
    rng = np.random.default_rng(seed)
    for chosen in chosen_scenes(rng, data, real, CLASSES, SCENES):
        yield collate([disturbed(scene, rng, VOXEL) for scene in chosen], rng, POINTS)


def losses(network: nn.Module, given: tuple[Tensor, Objects], spent: float) -> dict[str, Tensor]:
    """10 (vote + 0.5 objectness + box + 0.1 semantic), box = centre + 0.1 size class + size residual."""
    points, truth = given
    found = network(points)
    voted = take(truth.votes, found.picked)
    voting = truth.voting.gather(1, found.picked)
    vote = ((found.votes - voted).abs().sum(-1) * voting).sum() / voting.sum().clamp(min=1)
    apart = torch.cdist(found.xyz.float(), truth.centres) + 1e3 * ~truth.real[:, None]
    distance, nearest = apart.min(-1)
    near, far = distance < NEAR, distance > FAR
    weights = found.objectness.new_tensor([0.2, 0.8])
    each = cross_entropy(found.objectness.transpose(1, 2), near.long(), weights, reduction="none")
    objectness = (each * (near | far)).sum() / (near | far).sum().clamp(min=1)
    hits = near.sum().clamp(min=1)
    miss = torch.cdist(found.centres.float(), truth.centres)
    to_object = (miss + 1e3 * ~truth.real[:, None]).min(-1).values
    to_cluster = miss.min(1).values
    centre = (to_object * near).sum() / hits + (to_cluster * truth.real).sum() / truth.real.sum().clamp(min=1)
    kinds, sizes = truth.kinds.gather(1, nearest), take(truth.sizes, nearest)
    size_class = (
        cross_entropy(found.size_scores.transpose(1, 2), kinds, reduction="none") * near
    ).sum() / hits
    mean = found.mean_sizes[kinds]
    rows = kinds[..., None, None].expand(-1, -1, 1, 3)
    residual = found.size_residuals.gather(2, rows)[:, :, 0]
    off = smooth_l1_loss(residual, sizes / mean - 1, reduction="none").mean(-1)
    size = (off * near).sum() / hits
    semantic = (cross_entropy(found.semantic.transpose(1, 2), kinds, reduction="none") * near).sum() / hits
    loss = 10 * (vote + 0.5 * objectness + centre + 0.1 * size_class + size + 0.1 * semantic)
    parts = {"vote": vote, "objectness": objectness, "centre": centre, "size": size, "semantic": semantic}
    return {"loss": loss, **parts}


def train(
    data: Path, out: Path, minutes: float, check: Callable[[nn.Module], str] | None = None, seed: int = 0
) -> None:
    """Train what ships and write its checkpoint folder. check: told of the averaged network now and then."""
    real = real_scenes(data, CLASSES)
    torch.manual_seed(seed)
    average, done = fit(
        "votenet",
        VoteNet(mean_sizes=mean_sizes(real), **SHIPPED),
        lambda seed: batches(data, real, seed),
        losses,
        rate=2e-3,
        minutes=minutes,
        seed=seed,
        check=check,
    )
    save_half(average, out)
    print(done, flush=True)
