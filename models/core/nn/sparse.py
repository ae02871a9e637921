"""Sparse 3D convolution: plain torch on the CPU, spconv on CUDA, the same weights in both.

Method: submanifold sparse convolution (Graham, Engelcke, van der Maaten, CVPR 2018). Which voxel meets which
through which kernel offset is a *rulebook*, made once for a set of voxels and shared by all layers on it; a
layer gathers, multiplies and scatters along it (SECOND: Yan, Mao, Li, Sensors 2018).

Kernels have torchsparse 1.2's shape (offsets, in, out), so that its checkpoints load as they are, and its
order of offsets (`KernelRegion` in its source): the 27 of a 3x3x3 kernel run from (-1,-1,-1), x fastest; the
8 of a 2x2x2 kernel from (0,0,0), z fastest. out[p] = sum over offsets o of in[p + o] @ kernel[o], in[2p + o]
where the stride is 2.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

_log = logging.getLogger(__name__)
_forced: str | None = None

CENTRE = 13


@dataclass(frozen=True, eq=False)
class SparseTensor:
    """Features at the occupied voxels of a batch of grids.

    coords: (N, 4) int64, batch item, x, y, z; no voxel twice; may be negative.
        They count voxels of this tensor's own stride.
    feats: (N, C) float.
    batch_size: number of items, some of which may be empty.
    stride: edge of a voxel here in voxels of the input (1, 2, 4, ...).
    cache: what is known about these voxels (rulebooks), shared with the tensors computed from this one.
    """

    coords: Tensor
    feats: Tensor
    batch_size: int
    stride: int = 1
    cache: dict[Any, Any] = field(default_factory=dict, repr=False)

    def with_feats(self, feats: Tensor) -> "SparseTensor":
        """The same voxels with other features, (N, C')."""
        return SparseTensor(self.coords, feats, self.batch_size, self.stride, self.cache)

    def rows(self, kept: Tensor) -> "SparseTensor":
        """Some of the voxels, by their rows (M,), each once."""
        return SparseTensor(self.coords[kept], self.feats[kept], self.batch_size, self.stride)

    def crop(self, size: tuple[int, int, int]) -> "SparseTensor":
        """Only the voxels in [0, size) on every axis; size counts voxels of this stride."""
        inside = self.coords[:, 1:]
        keep = ((inside >= 0) & (inside < inside.new_tensor(size))).all(1)
        return SparseTensor(self.coords[keep], self.feats[keep], self.batch_size, self.stride)


def quantize(
    points: Tensor, voxel: float, batch: Tensor | None = None, *, from_zero: bool = False
) -> tuple[Tensor, Tensor]:
    """Voxels of a cloud, each kept once with its first point.

    points: (N, 3) metres. voxel: edge in metres. batch: (N,) item of each point, default all 0.
    from_zero: shift every item so that its lowest voxel is 0 on each axis, as torchsparse 1.2 did
        (its `ravel_hash_vec` subtracts the minimum in place); else it is floor(point / voxel).
    Returns coords (M, 4) int64 in rising order of (batch, x, y, z), and index (M,) of the kept points.
    Raises ValueError where the cloud is too wide for its voxels, or not finite.
    """
    if not torch.isfinite(points).all():
        raise ValueError("points are not finite")
    exact = points if points.device.type == "mps" else points.double()  # MPS has no float64
    grid = (exact / voxel).floor().long()
    item = torch.zeros_like(grid[:, 0]) if batch is None else batch.long()
    if from_zero and len(grid):
        lowest = grid.new_zeros(int(item.max()) + 1, 3)
        lowest.scatter_reduce_(0, item[:, None].expand(-1, 3), grid, "amin", include_self=False)
        grid = grid - lowest[item]
    coords = torch.cat([item[:, None], grid], 1)
    keys, _ = _keys(coords)
    ordered, order = keys.sort(stable=True)
    first = torch.ones_like(ordered, dtype=torch.bool)
    first[1:] = ordered[1:] != ordered[:-1]
    index = order[first]
    return coords[index], index


class SubmanifoldConv3d(nn.Module):
    """3x3x3 convolution without bias whose output lies on the input's voxels. kernel: (27, in, out)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.kernel = _kernel(27, in_channels, out_channels)

    def forward(self, x: SparseTensor) -> SparseTensor:
        """(N, in) -> (N, out)."""
        if _backend(x) == "spconv":
            return x.with_feats(_spconv(x, self.kernel, "neighbours")[0])
        if ("neighbours", x.stride) not in x.cache:
            x.cache["neighbours", x.stride] = _neighbours(x.coords)
        return x.with_feats(_convolve(x.feats, self.kernel, x.cache["neighbours", x.stride], len(x.coords)))


class SparseConv3d(nn.Module):
    """2x2x2 convolution of stride 2 without bias. kernel: (8, in, out)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.kernel = _kernel(8, in_channels, out_channels)

    def forward(self, x: SparseTensor) -> SparseTensor:
        """(N, in) at stride s -> (M, out) at stride 2s: a voxel wherever one of its eight children is."""
        x.cache["voxels", x.stride] = x.coords
        if _backend(x) == "spconv":
            feats, coords = _spconv(x, self.kernel, "children")
        else:
            if ("children", x.stride) not in x.cache:
                x.cache["children", x.stride] = _children(x.coords)
            rules, coords = x.cache["children", x.stride]
            feats = _convolve(x.feats, self.kernel, rules, len(coords))
        return SparseTensor(coords, feats, x.batch_size, 2 * x.stride, x.cache)


class SparseInverseConv3d(nn.Module):
    """2x2x2 transposed convolution of stride 2 back onto the voxels that SparseConv3d came from.

    kernel: (8, in, out). Raises KeyError where no SparseConv3d led to this stride.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.kernel = _kernel(8, in_channels, out_channels)

    def forward(self, x: SparseTensor) -> SparseTensor:
        """(M, in) at stride 2s -> (N, out) at stride s."""
        stride = x.stride // 2
        coords = x.cache["voxels", stride]
        if _backend(x) == "spconv":
            feats, _ = _spconv(x, self.kernel, "parents")
        else:
            rules, _ = x.cache["children", stride]
            turned = tuple((target, source) for source, target in rules)
            feats = _convolve(x.feats, self.kernel, turned, len(coords))
        return SparseTensor(coords, feats, x.batch_size, stride, x.cache)


class SparseBatchNorm(nn.BatchNorm1d):
    """Batch normalisation over all voxels; with fewer than two of them it uses what it has learned so far."""

    def forward(self, x: SparseTensor) -> SparseTensor:  # type: ignore[override]
        """(N, C) -> (N, C)."""
        if self.training and len(x.feats) < 2:
            return x.with_feats(
                nn.functional.batch_norm(
                    x.feats, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps
                )
            )
        return x.with_feats(super().forward(x.feats))


class SparseReLU(nn.Module):
    """ReLU of the features."""

    def forward(self, x: SparseTensor) -> SparseTensor:
        """(N, C) -> (N, C)."""
        return x.with_feats(x.feats.relu())


def global_max_pool(x: SparseTensor) -> Tensor:
    """(batch_size, C) maximum over each item's voxels, 0 for an empty item."""
    out = x.feats.new_zeros(x.batch_size, x.feats.shape[1])
    return out.scatter_reduce(0, x.coords[:, :1].expand_as(x.feats), x.feats, "amax", include_self=False)


def global_avg_pool(x: SparseTensor) -> Tensor:
    """(batch_size, C) mean over each item's voxels, 0 for an empty item."""
    total = x.feats.new_zeros(x.batch_size, x.feats.shape[1]).index_add(0, x.coords[:, 0], x.feats)
    return total / torch.bincount(x.coords[:, 0], minlength=x.batch_size).clamp(min=1)[:, None]


def to_bev(x: SparseTensor, size: tuple[int, int]) -> Tensor:
    """(batch_size, C, X, Y) bird's-eye view: voxels summed over z; those outside [0, size) are left out."""
    item, grid = x.coords[:, 0], x.coords[:, 1:3]
    keep = ((grid >= 0) & (grid < grid.new_tensor(size))).all(1)
    cell = ((item * size[0] + grid[:, 0]) * size[1] + grid[:, 1])[keep]
    flat = x.feats.new_zeros(x.batch_size * size[0] * size[1], x.feats.shape[1])
    return (
        flat.index_add(0, cell, x.feats[keep]).view(x.batch_size, *size, -1).permute(0, 3, 1, 2).contiguous()
    )


@contextmanager
def backend(name: str) -> Iterator[None]:
    """For tests: use "torch" or "spconv" whatever the device is."""
    global _forced
    before, _forced = _forced, name
    try:
        yield
    finally:
        _forced = before


# ---- rulebooks: for every kernel offset, which input voxel goes to which output voxel ----

Rules = tuple[tuple[Tensor, Tensor], ...]


def _keys(coords: Tensor) -> tuple[Tensor, tuple[int, int]]:
    """One int64 a voxel, in the order of (batch, x, y, z), and the key's steps along x and y.

    The grid has an empty rim, so that a key plus a neighbour's offset never wraps onto a voxel.
    """
    if not len(coords):
        return coords.new_zeros(0), (0, 0)
    low, high = coords[:, 1:].amin(0) - 1, coords[:, 1:].amax(0) + 1
    nx, ny, nz = (high - low + 1).tolist()
    items = int(coords[:, 0].max()) + 1
    if min(nx, ny, nz) <= 0 or items * nx * ny * nz >= 2**62:
        raise ValueError(f"a grid of {nx} x {ny} x {nz} voxels is too large")
    x, y, z = (coords[:, 1:] - low).unbind(1)
    return ((coords[:, 0] * nx + x) * ny + y) * nz + z, (ny * nz, nz)


def _neighbours(coords: Tensor) -> Rules:
    """The rulebook of a submanifold 3x3x3 kernel; the centre's entry is never used.

    Half of the offsets are looked up, the other half are their mirror. The three neighbours of a voxel along
    z lie side by side in the sorted keys, so one binary search serves all three.
    """
    keys, (step_x, step_y) = _keys(coords)
    order = None
    if not bool((keys[1:] > keys[:-1]).all()):
        keys, order = keys.sort()
    none = keys.new_zeros(0)
    rules = [(none, none)] * 27
    last = len(keys) - 1
    for dx, dy in ((0, 0), (0, 1), (1, -1), (1, 0), (1, 1)):
        goal = keys + dx * step_x + dy * step_y
        below = (dx, dy) != (0, 0)
        place = torch.searchsorted(keys, goal - 1 if below else goal + 1)
        for dz in (-1, 0, 1) if below else (1,):
            hit = keys[place.clamp(max=last)] == goal + dz if len(keys) else none.bool()
            target = hit.nonzero().squeeze(1)
            source = place[target]
            place = place + hit
            if order is not None:
                source, target = order[source], order[target]
            offset = CENTRE + dx + 3 * dy + 9 * dz
            rules[offset], rules[26 - offset] = (source, target), (target, source)
    return tuple(rules)


def _children(coords: Tensor) -> tuple[Rules, Tensor]:
    """The rulebook of a 2x2x2 kernel of stride 2, and the (M, 4) parents in rising order."""
    parents = torch.cat([coords[:, :1], coords[:, 1:].div(2, rounding_mode="floor")], 1)
    x, y, z = (coords[:, 1:] - 2 * parents[:, 1:]).unbind(1)
    offset = 4 * x + 2 * y + z
    _, owner = torch.unique(_keys(parents)[0], return_inverse=True)
    found = parents.new_zeros(int(owner.max()) + 1 if len(owner) else 0, 4)
    found[owner] = parents
    sources = ((offset == k).nonzero().squeeze(1) for k in range(8))
    return tuple((source, owner[source]) for source in sources), found


# ---- the plain torch backend ----


def _kernel(offsets: int, in_channels: int, out_channels: int) -> nn.Parameter:
    bound = (offsets * in_channels) ** -0.5
    return nn.Parameter(torch.empty(offsets, in_channels, out_channels).uniform_(-bound, bound))


def _convolve(feats: Tensor, kernel: Tensor, rules: Rules, outputs: int) -> Tensor:
    """(N, in) -> (outputs, out), in the precision of the features, inside an autocast region as well."""
    with torch.autocast(feats.device.type, enabled=False):
        return _Convolve.apply(feats, kernel.to(feats.dtype), rules, outputs)


class _Convolve(torch.autograd.Function):
    """Gather, multiply, scatter for each offset. Backward gathers again instead of keeping 27 copies."""

    @staticmethod
    def forward(ctx: Any, feats: Tensor, kernel: Tensor, rules: Rules, outputs: int) -> Tensor:
        ctx.save_for_backward(feats, kernel)
        ctx.rules = rules
        out = feats @ kernel[CENTRE] if len(rules) == 27 else feats.new_zeros(outputs, kernel.shape[2])
        for weight, (source, target) in zip(kernel, rules, strict=True):
            if len(source):
                out.index_add_(0, target, feats.index_select(0, source) @ weight)
        return out

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None]:
        feats, kernel = ctx.saved_tensors
        same = len(ctx.rules) == 27
        grad_feats = grad @ kernel[CENTRE].T if same else torch.zeros_like(feats)
        grad_kernel = torch.zeros_like(kernel)
        if same:
            grad_kernel[CENTRE] = feats.T @ grad
        for k, (source, target) in enumerate(ctx.rules):
            if len(source):
                arriving = grad.index_select(0, target)
                grad_feats.index_add_(0, source, arriving @ kernel[k].T)
                grad_kernel[k] = feats.index_select(0, source).T @ arriving
        return grad_feats, grad_kernel, None, None


# ---- the spconv backend ----


def _backend(x: SparseTensor) -> str:
    if not len(x.coords):
        return "torch"
    if _forced is not None:
        return _forced
    return "spconv" if x.feats.is_cuda and _spconv_has_cuda() else "torch"


@cache
def _spconv_has_cuda() -> bool:
    """Whether spconv's CUDA build is here; if not, that is logged once."""
    try:
        from spconv.cppconstants import CPU_ONLY_BUILD
    except ImportError as error:
        _log.warning("spconv cannot be imported (%s): sparse convolution runs on plain torch", error)
        return False
    if CPU_ONLY_BUILD:
        _log.warning("spconv here is the CPU build: sparse convolution runs on plain torch")
    return not CPU_ONLY_BUILD


def _spconv(x: SparseTensor, kernel: Tensor, kind: str) -> tuple[Tensor, Tensor]:
    """Features and (M, 4) voxels of one spconv layer. kind: "neighbours", "children" or "parents".

    spconv wants coordinates from 0: the grid is shifted by an even number of voxels, so that the same eight
    children keep the same parent, and its kernels as (out, x, y, z, in). Its layers are made anew each time
    (without memory: on "meta"), because they carry no state but the kernel.
    """
    import spconv.pytorch as sp

    stride = x.stride // 2 if kind == "parents" else x.stride
    low, shape = _even_grid(x.cache["voxels", stride] if kind == "parents" else x.coords)
    if kind == "parents":
        low, shape = low // 2, [n // 2 for n in shape]
    _, inside, outside = kernel.shape
    name = f"{'children' if kind == 'parents' else kind}{stride}"
    with torch.device("meta"):
        if kind == "neighbours":
            layer = sp.SubMConv3d(inside, outside, 3, bias=False, indice_key=name)
        elif kind == "children":
            layer = sp.SparseConv3d(inside, outside, 2, 2, bias=False, indice_key=name)
        else:
            layer = sp.SparseInverseConv3d(inside, outside, 2, indice_key=name, bias=False)
    if kind == "neighbours":
        weight = kernel.view(3, 3, 3, inside, outside).permute(4, 2, 1, 0, 3)
    else:
        weight = kernel.view(2, 2, 2, inside, outside).permute(4, 0, 1, 2, 3)
    known = x.cache.setdefault("spconv", {})
    if kind == "children":
        known.pop(name, None)
    indices = torch.cat([x.coords[:, :1], x.coords[:, 1:] - low], 1).int().contiguous()
    given = sp.SparseConvTensor(x.feats.contiguous(), indices, shape, x.batch_size)
    given.indice_dict = known
    found = torch.func.functional_call(layer, {"weight": weight.contiguous()}, (given,))
    x.cache["spconv"] = found.indice_dict
    coords = found.indices.long()
    if kind == "children":
        coords[:, 1:] += low // 2
    return found.features, coords


def _even_grid(coords: Tensor) -> tuple[Tensor, list[int]]:
    """The even corner of a grid around these voxels, and its even size."""
    low = coords[:, 1:].amin(0).div(2, rounding_mode="floor") * 2
    high = coords[:, 1:].amax(0).div(2, rounding_mode="floor") * 2 + 1
    return low, (high - low + 1).tolist()
