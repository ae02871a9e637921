"""A scan: a coloured mesh and the instances in it."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Instance:
    """One object of a scan.

    id: ScanNet's objectId (or the rank of a prediction).
    label: raw class name, lower case ("office chair").
    box: (6,) float, min xyz then max xyz, metres, axis-aligned frame.
    colour: (3,) mean colour, 0-255.
    confidence: of a predicted instance, 0 to 1; 1 for an annotated one.
    """

    id: int
    label: str
    box: NDArray[np.float32]
    colour: NDArray[np.float32]
    confidence: float = 1.0


@dataclass(frozen=True)
class Scan:
    """A coloured mesh (or cloud) in its own frame, and what is in it.

    vertices: (N, 3) float32, metres, the frame of the file.
    colours: (N, 3) uint8.
    faces: (M, 3) int32; (0, 3) for a cloud.
    vertex_instance: (N,) int32, the id of each vertex's instance, -1 for none.
    instances: () where the file carried no labels.
    alignment: (4, 4) float64; aligned = R p + t (ScanNet's axisAlignment), z up.
    """

    name: str
    vertices: NDArray[np.float32]
    colours: NDArray[np.uint8]
    faces: NDArray[np.int32]
    vertex_instance: NDArray[np.int32]
    instances: tuple[Instance, ...] = ()
    alignment: NDArray[np.float64] = field(default_factory=lambda: np.eye(4))

    @property
    def aligned(self) -> NDArray[np.float32]:
        """(N, 3) vertices in the axis-aligned frame, where boxes live."""
        return (self.vertices @ self.alignment[:3, :3].T + self.alignment[:3, 3]).astype(np.float32)
