"""A folder of drawn frames in ArSDM's layout: who may write into it, what is done in it, what it holds.

images/, masks/ with the same names, and samples.json, which lists them. One run has a folder to itself; the
parts of one run (`--shard`) share it, each having its own frames to itself.
"""

import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import lru_cache
from pathlib import Path

import numpy as np
from natsort import natsorted
from PIL import Image

from models.colonoscopy.data import exports
from models.colonoscopy.data.images import Mask, fitted, own_part, padded
from models.colonoscopy.data.masks import read_drawn
from models.core.errors import UserError


@contextmanager
def locked(folder: Path, part: str = "") -> Iterator[None]:
    """No other run writes into a folder meanwhile. part: of one run, "2-of-8"; only the same is kept away.

    Raises UserError("folder_in_use").
    """
    with ExitStack() as stack:
        whole = stack.enter_context(_lock(folder / ".lock", shared=bool(part)))
        own = stack.enter_context(_lock(folder / f".lock-{part}")) if part else True
        if not (whole and own):
            raise UserError("folder_in_use", name=folder.name)
        yield


class FramesFolder:
    """The folder of a run, made when first asked for. Wants to be locked before it is written into."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.images, self.masks = path / "images", path / "masks"
        for folder in (self.images, self.masks):
            folder.mkdir(parents=True, exist_ok=True)
        self._there = {entry.name for entry in os.scandir(self.images)}

    def locked(self, part: str = "") -> AbstractContextManager[None]:
        """See `locked`."""
        return locked(self.path, part)

    def has(self, name: str, wanted: Mapping[str, object], mask: Path, altered: bool) -> bool:
        """Whether a frame is there, drawn with these facts for this very mask.

        An altered frame is known by its name: who changes its pixels under the same name has another folder.
        """
        if f"{name}.png" not in self._there:
            return False
        known = exports.read_facts(self.images / f"{name}.png")
        if known is None or any(known.get(key) != value for key, value in wanted.items()):
            return False
        try:
            with Image.open(self.masks / f"{name}.png", formats=("PNG",)) as image:
                drawn = np.asarray(image.convert("L")) > 127
        except (OSError, SyntaxError, ValueError):
            return False
        return np.array_equal(drawn, _as_drawn(mask, drawn.shape, altered))

    def write(self, name: str, frame: bytes, mask: bytes) -> None:
        """A frame and its mask, PNG. An image is never there without its mask, nor half of it."""
        (self.masks / f"{name}.png").write_bytes(mask)
        partial = self.images / f"{name}.part"
        partial.write_bytes(frame)
        partial.replace(self.images / f"{name}.png")

    def listed(self) -> list[dict[str, object]]:
        """The facts of all frames that are there."""
        found = [(path, exports.read_facts(path)) for path in natsorted(self.images.glob("*.png"))]
        return [{"file": path.name, **known} for path, known in found if known is not None]

    def write_list(self) -> list[dict[str, object]]:
        """List all frames in samples.json; of several parts the one that comes last lists the others' too."""
        return write_list(self.path, "samples", self.listed)


def write_list(
    folder: Path, name: str, listed: Callable[[], list[dict[str, object]]]
) -> list[dict[str, object]]:
    """Write what is listed to NAME.json; of several runs that share a folder one does so at a time."""
    with _lock(folder / ".listing", wait=True):
        found = listed()
        partial = folder / f"{name}.part"
        partial.write_text(json.dumps(found, indent=1), encoding="utf-8")
        partial.replace(folder / f"{name}.json")
    return found


@lru_cache(maxsize=64)  # the frames of one mask follow one another
def _as_drawn(mask: Path, shape: tuple[int, ...], altered: bool) -> Mask:
    """A mask file as it lies beside a frame of that (height, width)."""
    given = read_drawn(mask)
    if altered:
        return fitted(given, *shape)
    side = max(shape)
    return fitted(padded(given), side, side)[own_part(given.shape, side)]


@contextmanager
def _lock(file: Path, shared: bool = False, wait: bool = False) -> Iterator[bool]:
    """Whether the lock was to be had; it is held until this ends, and its file goes with its last holder."""
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    while True:
        held = os.open(file, os.O_CREAT | os.O_RDWR, 0o644)
        try:
            fcntl.flock(held, kind if wait else kind | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(held)
            yield False
            return
        if os.fstat(held).st_nlink:
            break
        os.close(held)  # its last holder deleted it after it was opened here
    try:
        yield True
    finally:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.unlink(missing_ok=True)
        except BlockingIOError:  # others share it
            pass
        os.close(held)
