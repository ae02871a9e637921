"""Which processor the networks run on. torch is imported when one is asked for."""

import importlib.util
from dataclasses import fields, replace
from functools import cache
from typing import TYPE_CHECKING, Any, Self

from models.core.errors import UserError

if TYPE_CHECKING:
    import torch

CHOICES = ("auto", "cuda", "mps", "cpu")

_chosen = "auto"


class Movable:
    """A dataclass of tensors that moves to a device as one; its other fields stay as they are."""

    def to(self, device: "str | torch.device") -> Self:
        """The same on a device."""
        one: Any = self
        moved = {item.name: getattr(self, item.name) for item in fields(one)}
        return replace(one, **{name: v.to(device) for name, v in moved.items() if hasattr(v, "to")})


def choose(name: str) -> None:
    """Remember what `--device` asked for; it is checked when a network is loaded.

    Raises UserError("device_unknown") for a name that is not in CHOICES, and
    UserError("device_missing") at once when a device was asked for by name and
    this machine has none: never a silent CPU.
    """
    global _chosen
    if name not in CHOICES:
        raise UserError("device_unknown", name=name, choices=", ".join(CHOICES))
    if name in ("cuda", "mps") and name not in _available():
        raise UserError("device_missing", name=name)
    _chosen = name


def chosen() -> str:
    """What `--device` asked for, "auto" when it didn't."""
    return _chosen


def best() -> str:
    """The device to use: what was chosen, else CUDA, then MPS, then CPU."""
    return _available()[0] if _chosen == "auto" else _chosen


@cache
def bf16(where: str) -> bool:
    """Whether a kind of processor multiplies in bf16 by itself: a third faster there, up to 25 times slower
    elsewhere, where each number is rounded by software.
    """
    import torch

    if where == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return where == "cpu" and bool(torch.cpu.get_capabilities().get("avx512_bf16"))


def _available() -> list[str]:
    if importlib.util.find_spec("torch") is None:
        return ["cpu"]
    import torch

    found = []
    if torch.cuda.is_available():
        found.append("cuda")
    if torch.backends.mps.is_available():
        found.append("mps")
    return [*found, "cpu"]
