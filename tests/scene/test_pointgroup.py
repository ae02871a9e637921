"""PointGroup: its size and names, its U-Net against a dense one, what it groups, how it is scored."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from models.core.errors import UserError
from models.core.nn.sparse import SparseTensor
from models.scene.data import nyu40
from models.scene.segmentation.pointgroup import (
    PUBLISHED,
    SHIPPED,
    PointGroup,
    PointPredictions,
    Points,
    averaged,
    voxelise,
)
from models.scene.segmentation.sparse_unet import ResidualBlock, UBlock

TINY = {**SHIPPED, "classes": ["wall", "floor", "chair", "table"], "width": 4, "levels": 3}


def cloud(count: int = 400, seed: int = 0) -> Points:
    rng = np.random.default_rng(seed)
    xyz = rng.uniform(0, 1, (count, 3)).astype(np.float32)
    return Points.of(xyz, rng.integers(0, 256, (count, 3)).astype(np.uint8))


# ---- the published network ----


def published_shapes() -> dict[str, tuple[int, ...]]:
    """Names and shapes of the released pointgroup.pth, written out from its code's layers (spconv 1)."""
    shapes: dict[str, tuple[int, ...]] = {}

    def norm(name: str, width: int) -> None:
        for part in ("weight", "bias", "running_mean", "running_var"):
            shapes[f"{name}.{part}"] = (width,)
        shapes[f"{name}.num_batches_tracked"] = ()

    def block(name: str, inside: int, outside: int) -> None:
        if inside != outside:
            shapes[f"{name}.i_branch.0.weight"] = (1, 1, 1, inside, outside)
        norm(f"{name}.conv_branch.0", inside)
        shapes[f"{name}.conv_branch.2.weight"] = (3, 3, 3, inside, outside)
        norm(f"{name}.conv_branch.3", outside)
        shapes[f"{name}.conv_branch.5.weight"] = (3, 3, 3, outside, outside)

    def unet(name: str, widths: list[int]) -> None:
        width = widths[0]
        block(f"{name}.blocks.block0", width, width)
        block(f"{name}.blocks.block1", width, width)
        if len(widths) > 1:
            norm(f"{name}.conv.0", width)
            shapes[f"{name}.conv.2.weight"] = (2, 2, 2, width, widths[1])
            unet(f"{name}.u", widths[1:])
            norm(f"{name}.deconv.0", widths[1])
            shapes[f"{name}.deconv.2.weight"] = (2, 2, 2, widths[1], width)
            block(f"{name}.blocks_tail.block0", 2 * width, width)
            block(f"{name}.blocks_tail.block1", width, width)

    shapes["input_conv.0.weight"] = (3, 3, 3, 6, 16)
    unet("unet", [16, 32, 48, 64, 80, 96, 112])
    norm("output_layer.0", 16)
    shapes |= {"linear.weight": (20, 16), "linear.bias": (20,)}
    shapes |= {"offset.0.weight": (16, 16), "offset.0.bias": (16,)}
    norm("offset.1", 16)
    shapes |= {"offset_linear.weight": (3, 16), "offset_linear.bias": (3,)}
    unet("score_unet", [16, 32])
    norm("score_outputlayer.0", 16)
    shapes |= {"score_linear.weight": (1, 16), "score_linear.bias": (1,)}
    return shapes


def test_the_published_size() -> None:
    network = PointGroup(**PUBLISHED)
    assert sum(parameter.numel() for parameter in network.parameters()) == 7_715_016
    assert network.classes[4] == "chair" and network.classes[-1] == "otherfurniture"
    assert len(network.classes) == 20 and network.stuff == (0, 1)


def test_published_weights_are_mapped_tensor_by_tensor(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    given = {
        name: torch.zeros(shape, dtype=torch.long) if not shape else torch.rand(shape, generator=generator)
        for name, shape in published_shapes().items()
    }
    torch.save({f"module.{name}": value for name, value in given.items()}, tmp_path / "pointgroup.pth")
    state = PointGroup.from_published(tmp_path / "pointgroup.pth").state_dict()
    assert torch.equal(state["linear.weight"], given["linear.weight"])
    name = "unet.blocks_tail.block0.i_branch.0.weight"
    assert torch.equal(state[name], given[name][0, 0, 0].T)
    # A 3x3x3 kernel here counts x fastest from (-1, -1, -1); spconv's is indexed by x, y, z.
    kernel, source = state["input_conv.0.kernel"], given["input_conv.0.weight"]
    for x, y, z in ((0, 0, 0), (2, 0, 1), (1, 2, 0)):
        assert torch.equal(kernel[x + 3 * y + 9 * z], source[x, y, z])
    kernel, source = state["unet.conv.2.kernel"], given["unet.conv.2.weight"]
    assert torch.equal(kernel[4 * 1 + 2 * 0 + 1], source[1, 0, 1])


@pytest.mark.parametrize("fault", ["missing", "shape", "bytes", "other"])
def test_other_weights_are_refused(tmp_path: Path, fault: str) -> None:
    given = {name: torch.zeros(shape) for name, shape in published_shapes().items()}
    path = tmp_path / "pointgroup.pth"
    match fault:
        case "missing":
            del given["linear.bias"]
        case "shape":
            given["linear.bias"] = torch.zeros(19)
    torch.save([1, 2] if fault == "other" else given, path)
    if fault == "bytes":
        path.write_bytes(path.read_bytes()[:1000])
    key = "weights_mismatch" if fault in ("missing", "shape") else "weights_unreadable"
    with pytest.raises(UserError, match=key):
        PointGroup.from_published(path)


def test_the_shipped_size() -> None:
    network = PointGroup(**SHIPPED)
    assert 2 * sum(value.numel() for value in network.state_dict().values()) < 16 * 2**20
    assert network.classes == nyu40.NAMES
    assert [network.classes[place] for place in network.stuff] == ["wall", "floor", "ceiling"]


# ---- the U-Net against a dense one ----


def dense_norm(x: Tensor, norm: nn.BatchNorm1d) -> Tensor:
    return F.relu(F.batch_norm(x, None, None, norm.weight, norm.bias, True, eps=norm.eps))


def dense_conv(x: Tensor, kernel: Tensor) -> Tensor:
    """(27, in, out), x fastest, is (out, in, x, y, z) of a dense convolution."""
    inside, outside = kernel.shape[1:]
    return F.conv3d(x, kernel.view(3, 3, 3, inside, outside).permute(4, 3, 2, 1, 0), padding=1)


def dense_block(x: Tensor, block: ResidualBlock) -> Tensor:
    first, _, one, second, _, two = block.conv_branch
    out = dense_conv(dense_norm(dense_conv(dense_norm(x, first), one.kernel), second), two.kernel)
    shortcut = block.i_branch[0]
    if isinstance(shortcut, nn.Linear):
        x = torch.einsum("oi,bixyz->boxyz", shortcut.weight, x)
    return out + x


def dense_unet(x: Tensor, level: UBlock) -> Tensor:
    for block in level.blocks:
        x = dense_block(x, block)
    if not level.has_below:
        return x
    down, up = level.conv[2].kernel, level.deconv[2].kernel
    shape = (2, 2, 2, *down.shape[1:])
    below = F.conv3d(dense_norm(x, level.conv[0]), down.view(shape).permute(4, 3, 0, 1, 2), stride=2)
    below = dense_norm(dense_unet(below, level.u), level.deconv[0])
    shape = (2, 2, 2, *up.shape[1:])
    x = torch.cat([x, F.conv_transpose3d(below, up.view(shape).permute(3, 4, 0, 1, 2), stride=2)], 1)
    for block in level.blocks_tail:
        x = dense_block(x, block)
    return x


def test_on_a_full_grid_it_is_a_dense_u_net() -> None:
    torch.manual_seed(0)
    network = UBlock([3, 5, 7], 2).double()
    given = torch.randn(2, 3, 8, 8, 8, dtype=torch.double, requires_grad=True)
    item, x, y, z = (
        part.flatten() for part in torch.meshgrid(*map(torch.arange, (2, 8, 8, 8)), indexing="ij")
    )
    coords = torch.stack([item, x, y, z], 1)
    sparse = given.permute(0, 2, 3, 4, 1).reshape(-1, 3).detach().requires_grad_()
    found = network(SparseTensor(coords, sparse, 2)).feats
    expected = dense_unet(given, network).permute(0, 2, 3, 4, 1).reshape(-1, 3)
    assert torch.allclose(found, expected, atol=1e-10)
    weight = torch.randn_like(found)
    (found * weight).sum().backward()
    (expected * weight).sum().backward()
    assert torch.allclose(sparse.grad, given.grad.permute(0, 2, 3, 4, 1).reshape(-1, 3), atol=1e-9)


# ---- points and voxels ----


def test_voxels_hold_their_points() -> None:
    xyz = torch.tensor([[0.0, 0, 0], [0.04, 0.04, 0.04], [0.06, 0, 0], [-0.01, 0, 0], [0, 0, 0]])
    item = torch.tensor([0, 0, 0, 0, 1])
    coords, place = voxelise(xyz, 0.05, item)
    assert coords.tolist() == [[0, -1, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0], [1, 0, 0, 0]]
    assert place.tolist() == [1, 1, 2, 0, 3]
    assert averaged(xyz, place, 4)[1].tolist() == pytest.approx([0.02, 0.02, 0.02])


def test_what_is_felt_has_a_row_for_every_point() -> None:
    network, points = PointGroup(**TINY), cloud()
    felt = network(points)
    assert felt.semantic.shape == (400, 4) and felt.offsets.shape == (400, 3) and felt.feats.shape == (400, 4)


def test_points_of_another_scene_change_nothing() -> None:
    network = PointGroup(**TINY).eval()
    one, two = cloud(300, 1), cloud(200, 2)
    parts = [torch.cat(pair) for pair in zip(vars(one).values(), vars(two).values(), strict=False)]
    parts[3] = torch.repeat_interleave(torch.tensor([0, 1]), torch.tensor([300, 200]))
    both = network(Points(*parts))
    assert torch.allclose(both.semantic[:300], network(one).semantic, atol=1e-5)
    assert torch.allclose(both.semantic[300:], network(two).semantic, atol=1e-5)


def test_without_colour_the_colours_given_are_not_seen() -> None:
    network = PointGroup(**TINY).eval()
    points = cloud()
    blind = Points(points.xyz, points.rgb, torch.zeros_like(points.coloured), points.item)
    grey = Points(points.xyz, torch.zeros_like(points.rgb), torch.zeros_like(points.coloured), points.item)
    assert torch.equal(network(blind).semantic, network(grey).semantic)
    assert not torch.equal(network(points).semantic, network(grey).semantic)


def test_a_scan_moved_along_the_floor_by_whole_voxels_is_felt_the_same() -> None:
    network = PointGroup(**{**TINY, "levels": 2}).eval().double()
    points = cloud()
    moved = Points(
        points.xyz.double() + torch.tensor([1.6, -0.8, 0]), points.rgb, points.coloured, points.item
    )
    still = Points(points.xyz.double(), points.rgb, points.coloured, points.item)
    assert torch.allclose(network(moved).offsets, network(still).offsets, atol=1e-6)


# ---- groups and scores ----


def two_chairs() -> tuple[Points, Tensor, Tensor]:
    """Points of two chairs that touch and of the floor below; the chair each belongs to; its middle."""
    rng = np.random.default_rng(0)
    chairs = [rng.uniform((x, 0, 0.05), (x + 0.5, 0.5, 0.9), (1500, 3)) for x in (0.0, 0.5)]
    floor = rng.uniform((-1, -1, 0), (2, 2, 0.02), (500, 3))
    xyz = np.concatenate([*chairs, floor]).astype(np.float32)
    owner = torch.repeat_interleave(torch.tensor([0, 1, -1]), torch.tensor([1500, 1500, 500]))
    middles = torch.tensor([[0.25, 0.25, 0.45], [0.75, 0.25, 0.45], [0, 0, 0]])[owner]
    return Points.of(xyz, None), owner, middles


def felt_perfectly() -> tuple[PointGroup, Points, PointPredictions, Tensor]:
    points, owner, middles = two_chairs()
    network = PointGroup(**TINY)
    semantic = F.one_hot(torch.where(owner >= 0, 2, 1), 4).float()
    offsets = torch.where((owner >= 0)[:, None], middles - points.xyz, torch.zeros(3))
    return network, points, PointPredictions(semantic, offsets, torch.randn(len(owner), 4)), owner


def test_chairs_side_by_side_are_one_as_they_stand_and_two_when_shifted() -> None:
    network, points, felt, owner = felt_perfectly()
    found = [set(part.tolist()) for part in network.group(points, felt)]
    one, two = (set((owner == chair).nonzero().squeeze(1).tolist()) for chair in (0, 1))
    assert one in found and two in found and (one | two) in found
    assert len(found) == 3  # and the floor is no object


def test_objects_of_two_scenes_at_the_same_place_are_not_joined() -> None:
    network, points, felt, _ = felt_perfectly()
    item = torch.arange(len(points.item)) % 2
    split = Points(points.xyz, points.rgb, points.coloured, item)
    for part in network.group(split, felt):
        assert len(set(item[part].tolist())) == 1


def test_every_cluster_is_scored_on_a_grid_of_its_own() -> None:
    network, points, felt, _ = felt_perfectly()
    clusters = network.group(points, felt)
    network.eval()
    scores = network.score(points, felt, clusters)
    assert scores.shape == (3,)
    assert torch.allclose(network.score(points, felt, clusters[1:2]), scores[1:2], atol=1e-5)
    assert network.score(points, felt, []).shape == (0,)


def test_all_parameters_learn() -> None:
    network, points, felt, _ = felt_perfectly()
    felt_now = network(points)
    known = PointPredictions(felt_now.semantic, felt_now.offsets, felt_now.feats)
    scores = network.score(points, known, network.group(points, felt))
    (felt_now.semantic.square().mean() + felt_now.offsets.square().mean() + scores.square().sum()).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None and bool(parameter.grad.isfinite().all()), name
