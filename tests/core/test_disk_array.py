"""Rows that wait on the disk: as they were, in any slice, and in an npz that numpy reads."""

import tracemalloc

import numpy as np
import pytest

from models.core.disk_array import Spool


def filled(rows: np.ndarray) -> Spool:
    spool = Spool(rows.shape[1:], rows.dtype)
    for row in rows:
        spool.append(row)
    return spool


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((300, 40, 3)).astype(np.float16)


@pytest.mark.parametrize("part", [slice(0, 300), slice(7, 9), slice(290, 999), slice(5, 5), slice(9, 3)])
def test_a_slice_is_the_rows(rows, part):
    np.testing.assert_array_equal(filled(rows)[part], rows[part])


def test_rows_may_come_after_some_were_read(rows):
    spool = filled(rows[:5])
    assert len(spool[0:2]) == 2
    spool.append(rows[5])
    assert len(spool) == 6
    np.testing.assert_array_equal(spool[0:6], rows[:6])


@pytest.mark.parametrize("count", [0, 1, 300])
def test_numpy_reads_what_was_saved(rows, count, tmp_path):
    filled(rows[:count]).save(tmp_path / "a.npz", "rows", fps=np.array(25))
    with np.load(tmp_path / "a.npz", allow_pickle=False) as file:
        np.testing.assert_array_equal(file["rows"], rows[:count])
        assert file["rows"].dtype == np.float16 and file["fps"] == 25


def test_memory_does_not_grow_with_the_rows(tmp_path):
    row = np.zeros((100, 100), np.uint8)
    tracemalloc.start()
    spool = Spool(row.shape, row.dtype)
    for _ in range(2000):
        spool.append(row)
    spool.save(tmp_path / "a.npz", "rows")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2000 * row.nbytes / 4


def test_a_row_of_another_shape_and_steps_are_refused(rows):
    spool = filled(rows)
    with pytest.raises(ValueError, match="is wanted"):
        spool.append(rows[0, :5])
    with pytest.raises(ValueError, match="one after another"):
        spool[0:8:2]
