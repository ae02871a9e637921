"""Rows of one shape that wait on the disk, so that memory doesn't grow with how many they are."""

import shutil
import tempfile
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
from numpy.lib.format import dtype_to_descr, write_array, write_array_header_1_0
from numpy.typing import DTypeLike, NDArray

PIECE = 1 << 20  # bytes that are saved at once


class Spool:
    """A growing array of which nothing stays in memory. shape: of a row; the file goes with the object."""

    def __init__(self, shape: tuple[int, ...], dtype: DTypeLike) -> None:
        self.shape, self.dtype = shape, np.dtype(dtype)
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as this
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def append(self, row: NDArray[Any]) -> None:
        """One row more. Raises ValueError where it has another shape, OSError where the disk is full."""
        if row.shape != self.shape:
            raise ValueError(f"a row of {self.shape} is wanted, not of {row.shape}")
        self._file.seek(0, 2)
        self._file.write(row.astype(self.dtype).tobytes())
        self._count += 1

    def __getitem__(self, part: slice) -> NDArray[Any]:
        """Rows (N, *shape), read anew each time."""
        start, stop, step = part.indices(self._count)
        if step != 1:
            raise ValueError("rows are read one after another")
        size = self.dtype.itemsize * int(np.prod(self.shape))
        self._file.seek(start * size)
        data = self._file.read(max(0, stop - start) * size)
        return np.frombuffer(data, self.dtype).reshape(-1, *self.shape)

    def save(self, path: Path, name: str, **beside: NDArray[Any]) -> None:
        """An npz of all rows under a name, and small arrays beside; the rows pass through in pieces."""
        header = {
            "descr": dtype_to_descr(self.dtype),
            "fortran_order": False,
            "shape": (len(self), *self.shape),
        }
        with ZipFile(path, "w", ZIP_DEFLATED) as archive:
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                write_array_header_1_0(file, header)
                self._file.seek(0)
                shutil.copyfileobj(self._file, file, PIECE)
            for key, array in beside.items():
                with archive.open(f"{key}.npy", "w") as file:
                    write_array(file, array, allow_pickle=False)
