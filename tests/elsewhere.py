"""A second device without a GPU: tensors that say they are on "meta" and keep their values.

torch's own meta tensors carry no values, so that nothing that depends on them (a voxel grid, a mask's
rows, a beam search) can run there. Here a tensor's values lie on the CPU inside, all operators are carried
out there, and an operator that meets one of these beside a tensor left on the CPU raises, as CUDA does.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.utils._mode_utils import no_dispatch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

META = torch.device("meta")


class Elsewhere(Tensor):
    """A tensor on the other device; `inside` has its values."""

    inside: Tensor

    @staticmethod
    def __new__(cls, inside: Tensor) -> "Elsewhere":
        found = Tensor._make_wrapper_subclass(
            cls,
            inside.size(),
            strides=inside.stride(),
            storage_offset=inside.storage_offset(),
            dtype=inside.dtype,
            layout=inside.layout,
            device=META,
            requires_grad=inside.requires_grad,
        )
        found.inside = inside
        return found

    def __repr__(self) -> str:  # type: ignore[override]
        return f"Elsewhere({self.inside!r})"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _carried_out(func, args, kwargs or {})

    def __getitem__(self, index: Any) -> Tensor:
        return super().__getitem__(_indexed(index))

    def __setitem__(self, index: Any, value: Any) -> None:
        super().__setitem__(_indexed(index), value)

    def tolist(self) -> Any:
        return self.inside.tolist()

    def numpy(self, **_: Any) -> Any:  # type: ignore[override]
        raise TypeError("can't convert a tensor that is elsewhere to numpy: copy it to the CPU first")

    def new_tensor(self, data: Any, **options: Any) -> Tensor:  # type: ignore[override]
        return torch.tensor(data, **{"dtype": self.dtype, "device": self.device, **options})

    def __array__(self, *_: Any) -> Any:
        return self.numpy()


def _indexed(index: Any) -> Any:
    """Lists in an index as tensors: torch would make them on its own meta device, without values."""
    if isinstance(index, tuple):
        return tuple(map(_indexed, index))
    return torch.tensor(index) if isinstance(index, list) else index


class _Factories(TorchDispatchMode):
    """Makes what is asked for with device="meta" an Elsewhere."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _carried_out(func, args, kwargs or {})


def _carried_out(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    tensors = [one for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)]
    if any(one.device == META and not isinstance(one, Elsewhere) for one in tensors):
        raise RuntimeError(f"{func.name()}: a tensor without values")
    elsewhere = [isinstance(one, Elsewhere) for one in tensors]
    name = func.name()
    copies = (
        name in ("aten::_to_copy", "aten::copy_") or "pack" in name
    )  # lengths of sequences stay on the CPU
    if any(elsewhere) and not all(elsewhere) and not copies:
        indexing = name in (
            "aten::index.Tensor",
            "aten::index_put_",
            "aten::_index_put_impl_",
            "aten::index_put",
        )
        for one, there in zip(tensors, elsewhere, strict=True):
            # A number, and an index kept on the CPU, may meet a tensor of any device in torch.
            if not there and one.dim() and not (indexing and elsewhere[0]):
                raise RuntimeError(f"{name}: a tensor {tuple(one.shape)} was left on the CPU")
    target = kwargs.get("device")
    goes = any(elsewhere) if target is None else torch.device(target) == META
    if name == "aten::copy_":
        goes = elsewhere[0]
    if target is not None:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    inside = tree_map(lambda one: one.inside if isinstance(one, Elsewhere) else one, (args, kwargs))
    found = func(*inside[0], **inside[1])
    if torch.Tag.inplace_view in func.tags:  # the tensor outside takes its new shape too
        with no_dispatch():
            func(*args, **kwargs)
    if not goes:
        return found
    known = {
        id(one.inside): one for one in tensors if isinstance(one, Elsewhere)
    }  # in-place: the same object

    def outside(one: Any) -> Any:
        if not isinstance(one, Tensor):
            return one
        return known.get(id(one)) if id(one) in known else Elsewhere(one)

    if name == "aten::_pack_padded_sequence":  # its second result, how many go on at each step, stays too
        return outside(found[0]), found[1]
    return tree_map(outside, found)


@contextmanager
def elsewhere() -> Iterator[torch.device]:
    """Within this, "meta" is a device with values; autocast, which it has not, means nothing there."""
    autocast, tensor = torch.autocast, torch.tensor

    def known(device_type: str, *args: Any, **options: Any) -> Any:
        return autocast("cpu" if device_type == "meta" else device_type, *args, **options)

    def made(data: Any, *, device: Any = None, **options: Any) -> Tensor:
        return tensor(data, **options).to(device or "cpu")

    def enter(mode: Any) -> None:  # a wrapped tensor can be no inference tensor
        mode._inference_mode_context = torch.no_grad()
        mode._inference_mode_context.__enter__()

    with (
        patch.object(torch, "autocast", known),
        patch.object(torch, "tensor", made),
        patch.object(torch.inference_mode, "__enter__", enter),
        _Factories(),
    ):
        yield META
