"""Weights that a lab published: a file from elsewhere, of which only tensors are read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.core.errors import UserError

_WHERE = ("model_state_dict", "state_dict")  # of a training checkpoint's dictionary, the second Lightning's


class _Name:
    """Stands for a class that Lightning 1.x uses as a key beside the weights; nothing is made of it."""


_STAND_INS = ((_Name, "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint"),)


def load_published(
    network: nn.Module,
    path: str | Path,
    rename: Callable[[str], str | None],
    reshape: Callable[[Tensor], Tensor] = lambda tensor: tensor,
) -> None:
    """Fill a network with the tensors of a released file, never running code from it.

    rename: a stored name to the network's, None for a tensor that the network has no use for.
    reshape: a stored tensor in the network's layout.
    Raises UserError("weights_unreadable") for a file that is no such file, is cut short or carries code, and
    UserError("weights_mismatch") where names, shapes, types or values are not those of the network.
    """
    file = Path(path).name
    tensors = _tensors(Path(path), file)
    named = ((rename(name), value) for name, value in tensors.items())
    given = {name: reshape(value) for name, value in named if name is not None}
    expected = network.state_dict()
    wrong = sorted(expected.keys() ^ given.keys())
    wrong = wrong or [name for name in expected if not _fits(given[name], expected[name])]
    if wrong:
        raise UserError("weights_mismatch", file=file, count=len(wrong), first=wrong[0])
    network.load_state_dict(given)


def _fits(given: Tensor, expected: Tensor) -> bool:
    same = (given.shape, given.dtype, given.layout) == (expected.shape, expected.dtype, expected.layout)
    return same and bool(given.isfinite().all())


def _tensors(path: Path, file: str) -> dict[str, Tensor]:
    try:
        with torch.serialization.safe_globals(list(_STAND_INS)):
            loaded: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged or hostile bytes make the unpickler raise anything
        raise UserError("weights_unreadable", file=file) from error
    if isinstance(loaded, dict):
        loaded = next((loaded[key] for key in _WHERE if key in loaded), loaded)
    if not isinstance(loaded, dict) or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise UserError("weights_unreadable", file=file)
    return {str(name): value for name, value in loaded.items()}
