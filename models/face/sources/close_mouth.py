"""A portrait may smile with open lips; speech moves from and to lips that are shut."""

import numpy as np
from scipy.interpolate import RBFInterpolator

from models.face.sources import mesh

OPEN = 0.12  # cm between the lips from which a face is closed
UPPER_SHARE = 0.3  # of the way that the upper lip goes
CHEEKS = (50, 280, 205, 425, 203, 423, 129, 358, 2, 94, 98, 327, 136, 365, 132, 361, 58, 288)
JAW_SHARES = {18: 0.8, 200: 0.62, 199: 0.55, 175: 0.5, 152: 0.5, 148: 0.45, 377: 0.45, 32: 0.45, 262: 0.45}


def closed(face: np.ndarray) -> np.ndarray:
    """The face (478, 3) cm with its lips shut and the jaw following them; a shut one comes back as it is."""
    if float(mesh.lip_gap(face)) <= OPEN:
        return face.copy()
    upper = face[list(mesh.INNER_LIPS[1:10])]
    lower = face[list(mesh.INNER_LIPS[:10:-1])]
    meeting = upper + UPPER_SHARE * (lower - upper)
    anchors = dict.fromkeys((*CHEEKS, *mesh.OVAL[:10], *mesh.OVAL[-9:]), np.zeros(3))
    lift = np.zeros(3)
    for k, (high, low) in enumerate(zip(mesh.INNER_LIPS[1:10], mesh.INNER_LIPS[:10:-1], strict=True)):
        anchors[high], anchors[low] = meeting[k] - upper[k], meeting[k] - lower[k]
        anchors[mesh.OUTER_LIPS[k + 1]] = 0.8 * anchors[high]
        anchors[mesh.OUTER_LIPS[19 - k]] = 0.85 * anchors[low]
        if high == mesh.UPPER_INNER:
            lift = anchors[low]
    for corner in (mesh.OUTER_LIPS[0], mesh.OUTER_LIPS[10], mesh.INNER_LIPS[0], mesh.INNER_LIPS[10]):
        anchors[corner] = np.zeros(3)
    anchors |= {vertex: share * lift for vertex, share in JAW_SHARES.items()}
    places = list(anchors)
    spread = RBFInterpolator(face[places], np.stack(list(anchors.values())), kernel="thin_plate_spline")
    moved = spread(face[: mesh.SKIN])
    below = face[: mesh.SKIN, 1] < face[list(mesh.MOUTH_CORNERS), 1].mean() + 2.5  # above it nothing moves
    out = face.copy()
    out[: mesh.SKIN][below] += moved[below]
    return np.asarray(out, np.float32)
