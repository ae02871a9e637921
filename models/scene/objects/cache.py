"""What grounding and captioning share: loaded checkpoints, and scans whose objects were prepared once."""

import weakref
from functools import cache

import numpy as np

from models.core.checkpoints import load_checkpoint
from models.core.errors import UserError
from models.scene.data.scan import Scan
from models.scene.objects.object_set import Objects, from_instances
from models.scene.objects.point_encoder import ShapeEncoder, thinned

FEWEST_POINTS = 20


@cache
def prepared_scans(checkpoint: str = "shapes") -> "PreparedScans":
    """Those of a point encoder's checkpoint, once for a process: captioning finds what grounding prepared."""
    return PreparedScans(load_checkpoint(ShapeEncoder, checkpoint))


class PreparedScans:
    """The objects of scans with the features of their points, kept as long as the scan is."""

    def __init__(self, encoder: ShapeEncoder) -> None:
        self.encoder = encoder
        self._known: dict[int, Objects] = {}

    def __getitem__(self, scan: Scan) -> Objects:
        """Raises UserError("scan_unlabelled") where nothing is labelled."""
        if not scan.instances:
            raise UserError("scan_unlabelled")
        key = id(scan)
        if key not in self._known:
            self._known[key] = _objects(scan, self.encoder)
            weakref.finalize(scan, self._known.pop, key, None)
        return self._known[key]


def _objects(scan: Scan, encoder: ShapeEncoder) -> Objects:
    aligned = scan.aligned
    order = np.argsort(scan.vertex_instance, kind="stable")
    owners = scan.vertex_instance[order]
    clouds = []
    for item in scan.instances:
        start, end = np.searchsorted(owners, [item.id, item.id + 1])
        cloud = thinned(aligned[order[start:end]])
        clouds.append(cloud if len(cloud) >= FEWEST_POINTS else cloud[:0])
    floor = float(np.quantile(aligned[:, 2], 0.0099)) if len(aligned) else 0.0
    return from_instances(scan.instances, encoder.encode(clouds, floor))
