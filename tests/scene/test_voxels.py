"""Points in the cells of a grid."""

import numpy as np

from models.scene.data.voxels import voxel_keys


def test_points_of_a_cell_share_its_key_on_both_sides_of_zero():
    points = np.array([[-0.9, 0, 0], [-0.1, 0.5, 0.9], [0.1, 0, 0], [0.9, 0.9, 0.9]])
    keys = voxel_keys(points, 1.0)
    assert keys[0] == keys[1] and keys[2] == keys[3] and keys[1] < keys[2]


def test_keys_tell_every_cell_and_group_apart_and_sort_by_group_x_y_z():
    rng = np.random.default_rng(0)
    points, group = rng.uniform(-3, 3, (500, 3)), rng.integers(-1, 3, 500)
    rows = np.column_stack([group, np.floor(points / 0.7).astype(int)])
    expected = np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1)
    assert (np.unique(voxel_keys(points, 0.7, group), return_inverse=True)[1] == expected).all()
