"""Weights that a lab published: a file from elsewhere, of which only tensors are read."""

import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.core.errors import UserError
from models.core.upload_validation import MEGABYTE, check_file, megabytes

MOST = 16 * 1024 * MEGABYTE  # SDM with averages and the optimiser's state has 10 GB
SWELLS = 4  # how many times its file's size a zip may unpack to; torch itself packs nothing
_WHERE = ("model_state_dict", "state_dict")  # of a training checkpoint's dictionary, the second Lightning's
# What DataParallel, and modules around a network such as Lightning's, put before its names.
_AROUND = ("", "module.", "model.", "model.module.", "net.", "network.")
# Whose classes Lightning's files name beside the weights: callbacks, and what was told on the command line.
_BESIDE = ("pytorch_lightning.", "lightning.", "omegaconf.", "argparse.")

Rename = Callable[[str], str | None]


class _Name:
    """Stands for a class that is named beside the weights; nothing of it is imported or made."""

    def __init__(self, *_: object, **__: object) -> None:
        """Takes whatever the class took."""

    def __setstate__(self, state: object) -> None:
        """Forgets it."""


_ALWAYS = ("pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint",)


def load_published(
    network: nn.Module,
    path: str | Path,
    rename: Rename,
    reshape: Callable[[Tensor], Tensor] = lambda tensor: tensor,
) -> None:
    """Fill a network with the tensors of a released file, never running code from it.

    rename: a stored name to the network's, None for a tensor that the network has no use for.
    reshape: a stored tensor in the network's layout. Half precision is cast to the network's type.
    Raises as `read_tensors`, and UserError("weights_mismatch") where names, shapes, kinds or values are not
    those of the network.
    """
    fill(network, read_tensors(path), Path(path).name, rename, reshape)


def fill(
    network: nn.Module,
    tensors: Mapping[str, Tensor],
    file: str,
    rename: Rename,
    reshape: Callable[[Tensor], Tensor] = lambda tensor: tensor,
) -> None:
    """The same for the tensors of a file that was read already."""
    expected = network.state_dict()
    given = min(_readings(tensors, rename), key=lambda found: len(expected.keys() ^ found.keys()))
    given = {name: reshape(value) for name, value in given.items()}
    wrong = sorted(expected.keys() ^ given.keys())
    wrong = wrong or [name for name in expected if not _fits(given[name], expected[name])]
    if wrong:
        raise UserError("weights_mismatch", file=file, count=len(wrong), first=wrong[0])
    network.load_state_dict(given)  # which casts


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a released file by their stored names.

    Raises UserError("weights_swell") for a file that is too large, or packed and far larger inside, and
    UserError("weights_unreadable") for one that is missing, cut short, holds more than numbers or carries
    code.
    """
    path = Path(path)
    size, mapped = _checked(path)
    try:
        with torch.serialization.safe_globals([(_Name, name) for name in _named_beside(path)]):
            loaded: Any = torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except Exception as error:  # damaged or hostile bytes make the unpickler raise anything
        raise UserError("weights_unreadable", file=path.name) from error
    if isinstance(loaded, dict):
        loaded = next((loaded[key] for key in _WHERE if key in loaded), loaded)
    if not isinstance(loaded, dict) or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise UserError("weights_unreadable", file=path.name)
    # A tensor can claim to be larger than all that is stored, by counting the same numbers again and again.
    if any(value.numel() * value.element_size() > size for value in loaded.values()):
        raise UserError("weights_unreadable", file=path.name)
    return {str(name): value for name, value in loaded.items()}


def _checked(path: Path) -> tuple[int, bool]:
    """Bytes that a file unpacks to, by what it says of itself, and whether it can be read where it lies."""
    try:
        size = check_file(path, MOST)
    except UserError as error:
        if error.key == "file_too_big":
            raise UserError("weights_swell", file=path.name, **_sizes(path.stat().st_size, MOST)) from None
        raise UserError("weights_unreadable", file=path.name) from None
    if not zipfile.is_zipfile(path):
        return size, False  # the older form, a pickle before bare numbers: it has what it has
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise UserError("weights_unreadable", file=path.name) from error
    inside = sum(entry.file_size for entry in entries)
    limit = min(MOST, SWELLS * size + MEGABYTE)
    if inside > limit:
        raise UserError("weights_swell", file=path.name, **_sizes(inside, limit))
    return inside, all(entry.compress_type == zipfile.ZIP_STORED for entry in entries)


def _sizes(size: int, limit: int) -> dict[str, str]:
    return {"size": megabytes(size), "limit": megabytes(limit)}


def _named_beside(path: Path) -> set[str]:
    """Names of classes that a file mentions and that may be passed over."""
    try:
        named = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except Exception:  # the older form can't be asked, and a damaged file will be refused
        named = []
    return {*_ALWAYS, *(name for name in named if name.startswith(_BESIDE))}


def _readings(tensors: Mapping[str, Tensor], rename: Rename) -> Iterator[dict[str, Tensor]]:
    """The tensors by the network's names, for each thing that may stand before theirs."""
    for around in _AROUND:
        inner = {name[len(around) :]: value for name, value in tensors.items() if name.startswith(around)}
        named = ((rename(name), value) for name, value in inner.items())
        yield {name: value for name, value in named if name is not None}


def _fits(given: Tensor, expected: Tensor) -> bool:
    same = (given.shape, given.layout) == (expected.shape, expected.layout)
    kind = (given.is_floating_point(), given.is_complex()) == (expected.is_floating_point(), False)
    return same and kind and bool(given.isfinite().all())
