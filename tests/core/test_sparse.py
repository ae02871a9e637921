"""Sparse convolution against dense torch, against spconv, and at the edges."""

import sys

import pytest
import torch

from models.core.nn import sparse
from models.core.nn.sparse import SparseTensor

SIZE = 6


def scattered(
    seed: int = 0, channels: int = 3, items: int = 2, dtype: torch.dtype = torch.float64
) -> SparseTensor:
    """About 30 % of a SIZE^3 grid in each of two items."""
    made = torch.Generator().manual_seed(seed)
    coords = (torch.rand(items, SIZE, SIZE, SIZE, generator=made) < 0.3).nonzero()
    return SparseTensor(coords, torch.randn(len(coords), channels, generator=made, dtype=dtype), items)


def dense(x: SparseTensor, feats: torch.Tensor, size: int = SIZE) -> torch.Tensor:
    grid = feats.new_zeros(x.batch_size, size, size, size, feats.shape[1])
    return grid.index_put(tuple(x.coords.T), feats).permute(0, 4, 1, 2, 3)


def dense_weight(kernel: torch.Tensor) -> torch.Tensor:
    """(K, in, out) in torchsparse's order of offsets -> (out, in, x, y, z)."""
    if len(kernel) == 27:  # x is fastest
        return kernel.view(3, 3, 3, *kernel.shape[1:]).permute(4, 3, 2, 1, 0)
    return kernel.view(2, 2, 2, *kernel.shape[1:]).permute(4, 3, 0, 1, 2)


def gradients(loss: torch.Tensor, *of: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return torch.autograd.grad(loss, of, retain_graph=True)


def test_submanifold_equals_dense_convolution_on_its_voxels():
    x = scattered()
    feats = x.feats.requires_grad_()
    layer = sparse.SubmanifoldConv3d(3, 4).double()
    ours = layer(x).feats
    whole = torch.conv3d(dense(x, feats), dense_weight(layer.kernel), padding=1)
    theirs = whole.permute(0, 2, 3, 4, 1)[tuple(x.coords.T)]
    torch.testing.assert_close(ours, theirs)
    upstream = torch.randn_like(ours)
    for a, b in zip(
        gradients((ours * upstream).sum(), feats, layer.kernel),
        gradients((theirs * upstream).sum(), feats, layer.kernel),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


def test_downsampling_equals_dense_convolution_of_stride_2():
    x = scattered(1)
    feats = x.feats.requires_grad_()
    layer = sparse.SparseConv3d(3, 4).double()
    out = layer(x)
    whole = torch.conv3d(dense(x, feats), dense_weight(layer.kernel), stride=2)
    theirs = whole.permute(0, 2, 3, 4, 1)[tuple(out.coords.T)]
    torch.testing.assert_close(out.feats, theirs)
    assert out.stride == 2
    assert whole.count_nonzero() == out.feats.count_nonzero()  # no occupied parent is missing
    for a, b in zip(
        gradients(out.feats.pow(2).sum(), feats, layer.kernel),
        gradients(theirs.pow(2).sum(), feats, layer.kernel),
        strict=True,
    ):
        torch.testing.assert_close(a, b)


def test_inverse_equals_dense_transposed_convolution_on_the_old_voxels():
    x = scattered(2)
    down, up = sparse.SparseConv3d(3, 4).double(), sparse.SparseInverseConv3d(4, 5).double()
    coarse = down(x)
    fine = up(coarse)
    assert fine.stride == 1
    assert torch.equal(fine.coords, x.coords)
    whole = torch.conv_transpose3d(
        dense(coarse, coarse.feats, SIZE // 2), dense_weight(up.kernel).transpose(0, 1), stride=2
    )
    torch.testing.assert_close(fine.feats, whole.permute(0, 2, 3, 4, 1)[tuple(x.coords.T)])


def test_inverse_without_a_way_down_is_an_error():
    with pytest.raises(KeyError):
        sparse.SparseInverseConv3d(3, 3).double()(scattered())


@pytest.mark.parametrize("layer", [sparse.SubmanifoldConv3d(2, 3), sparse.SparseConv3d(2, 3)])
def test_gradients_are_exact(layer):
    layer = layer.double()
    x = scattered(3, channels=2, items=1)

    def run(feats: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(
            layer, {"kernel": kernel}, (SparseTensor(x.coords, feats, 1),)
        ).feats

    assert torch.autograd.gradcheck(run, (x.feats.requires_grad_(), layer.kernel))


def test_order_of_voxels_does_not_matter():
    x = scattered(4)
    layer = sparse.SubmanifoldConv3d(3, 3).double()
    mixed = torch.randperm(len(x.coords), generator=torch.Generator().manual_seed(0))
    shuffled = layer(SparseTensor(x.coords[mixed], x.feats[mixed], 2)).feats
    torch.testing.assert_close(shuffled, layer(x).feats[mixed])


def test_negative_coordinates_are_a_shift():
    x = scattered(5)
    away = torch.tensor([0, -40, -8, -1002])
    layers = torch.nn.Sequential(
        sparse.SubmanifoldConv3d(3, 3), sparse.SparseConv3d(3, 4), sparse.SparseInverseConv3d(4, 2)
    ).double()
    moved = layers(SparseTensor(x.coords + away, x.feats, 2))
    torch.testing.assert_close(moved.feats, layers(x).feats)
    assert torch.equal(moved.coords, x.coords + away)


def test_items_of_a_batch_do_not_meet():
    x = scattered(6)
    layers = torch.nn.Sequential(sparse.SubmanifoldConv3d(3, 3), sparse.SparseConv3d(3, 4)).double()
    together = layers(x)
    for item in range(2):
        mine = x.coords[:, 0] == item
        alone = layers(SparseTensor(x.coords[mine] * torch.tensor([0, 1, 1, 1]), x.feats[mine], 1))
        torch.testing.assert_close(together.feats[together.coords[:, 0] == item], alone.feats)


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("voxels", [0, 1])
def test_no_voxel_and_one_voxel(voxels, train):
    coords = torch.tensor([[1, -7, 3, 5]])[:voxels]
    feats = torch.randn(voxels, 3, requires_grad=True)
    layers = torch.nn.Sequential(
        sparse.SubmanifoldConv3d(3, 4),
        sparse.SparseBatchNorm(4),
        sparse.SparseReLU(),
        sparse.SparseConv3d(4, 4),
        sparse.SparseInverseConv3d(4, 2),
    ).train(train)
    out = layers(SparseTensor(coords, feats, 2))
    assert out.feats.shape == (voxels, 2)
    assert out.feats.isfinite().all()
    out.feats.sum().backward()
    assert layers[0].kernel.grad.isfinite().all()
    assert not sparse.global_max_pool(out)[0].any()
    assert not sparse.global_avg_pool(out)[0].any()
    assert sparse.to_bev(out, (4, 5)).shape == (2, 2, 4, 5)


@pytest.fixture
def one_thread():
    """spconv's CPU kernels race with more than one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_both_backends_agree(one_thread):
    pytest.importorskip("spconv")
    x = scattered(7, dtype=torch.float32)
    away = SparseTensor(x.coords + torch.tensor([0, -5, 3, -1]), x.feats, 2)
    stem, down, deep, up = (
        sparse.SubmanifoldConv3d(3, 8),
        sparse.SparseConv3d(8, 6),
        sparse.SubmanifoldConv3d(6, 6),
        sparse.SparseInverseConv3d(6, 5),
    )

    def run(name: str) -> tuple[SparseTensor, SparseTensor]:
        with torch.no_grad(), sparse.backend(name):
            start = SparseTensor(away.coords, away.feats, 2)
            coarse = deep(deep(down(stem(start))))
            return coarse, up(coarse)

    coarse, fine = run("torch")
    their_coarse, their_fine = run("spconv")
    rank = {tuple(row): i for i, row in enumerate(their_coarse.coords.tolist())}
    assert len(rank) == len(coarse.coords)
    same = [rank[tuple(row)] for row in coarse.coords.tolist()]
    torch.testing.assert_close(coarse.feats, their_coarse.feats[same], atol=1e-5, rtol=1e-5)
    assert torch.equal(fine.coords, their_fine.coords)
    torch.testing.assert_close(fine.feats, their_fine.feats, atol=1e-5, rtol=1e-5)


def test_spconv_takes_an_empty_batch():
    pytest.importorskip("spconv")
    empty = SparseTensor(torch.zeros(0, 4, dtype=torch.long), torch.zeros(0, 3), 2)
    with sparse.backend("spconv"):
        out = sparse.SparseInverseConv3d(4, 2)(sparse.SparseConv3d(3, 4)(empty))
    assert out.feats.shape == (0, 2)


def test_without_spconv_plain_torch_is_used_and_said_once(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "spconv.cppconstants", None)
    sparse._spconv_has_cuda.cache_clear()
    try:
        assert not sparse._spconv_has_cuda()
        assert not sparse._spconv_has_cuda()
    finally:
        sparse._spconv_has_cuda.cache_clear()
    assert [record.getMessage().endswith("runs on plain torch") for record in caplog.records] == [True]


def test_quantize_keeps_the_first_point_of_a_voxel():
    points = torch.tensor([[0.11, 0.0, 0.0], [-0.01, 0.0, 0.0], [0.19, 0.05, 0.0], [-0.09, 0.0, 0.0]])
    coords, index = sparse.quantize(points, 0.1)
    assert coords.tolist() == [[0, -1, 0, 0], [0, 1, 0, 0]]
    assert index.tolist() == [1, 0]
    coords, _ = sparse.quantize(points, 0.1, torch.tensor([0, 0, 1, 1]), from_zero=True)
    assert coords.tolist() == [[0, 0, 0, 0], [0, 2, 0, 0], [1, 0, 0, 0], [1, 2, 0, 0]]


def test_quantize_of_nothing():
    coords, index = sparse.quantize(torch.zeros(0, 3), 0.1, from_zero=True)
    assert coords.shape == (0, 4)
    assert index.shape == (0,)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e30])
def test_quantize_refuses_what_no_grid_can_hold(value):
    with pytest.raises(ValueError, match=r"not finite|too large"):
        sparse.quantize(torch.tensor([[0.0, 0.0, 0.0], [value, value, value]]), 0.02)


def test_pooling_and_birds_eye_view():
    coords = torch.tensor([[0, 0, 0, 0], [0, 0, 0, 9], [2, 1, 1, 0], [2, 5, 0, 0], [2, -1, 0, 0]])
    x = SparseTensor(coords, torch.tensor([[-3.0], [-1.0], [4.0], [6.0], [2.0]]), 3)
    assert sparse.global_max_pool(x).tolist() == [[-1.0], [0.0], [6.0]]
    assert sparse.global_avg_pool(x).tolist() == [[-2.0], [0.0], [4.0]]
    bev = sparse.to_bev(x, (2, 2))
    assert bev[0, 0].tolist() == [[-4.0, 0.0], [0.0, 0.0]]
    assert bev[2, 0].tolist() == [[0.0, 0.0], [0.0, 4.0]]
    assert x.crop((2, 2, 5)).coords.tolist() == [[0, 0, 0, 0], [2, 1, 1, 0]]


def test_autocast_keeps_the_precision_of_the_features():
    x = scattered(8, dtype=torch.float32)
    layer = sparse.SubmanifoldConv3d(3, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = layer(x).feats
    torch.testing.assert_close(out, layer(x).feats)


def test_rulebooks_are_made_once(monkeypatch):
    made = []
    whole = sparse._neighbours
    monkeypatch.setattr(sparse, "_neighbours", lambda coords: made.append(len(coords)) or whole(coords))
    block = torch.nn.Sequential(*(sparse.SubmanifoldConv3d(3, 3) for _ in range(3))).double()
    block(scattered(9))
    assert len(made) == 1
