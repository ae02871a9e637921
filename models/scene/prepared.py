"""What grounding and captioning share: loaded checkpoints, and scans whose objects were prepared once."""

import sys
import weakref
from contextlib import redirect_stdout
from typing import Any

import numpy as np
from torch import nn

from models.core.checkpoints import card
from models.core.errors import UserError
from models.scene.objects import Objects, from_instances
from models.scene.scan import Scan
from models.scene.shapes import ShapeEncoder, thinned

FEWEST_POINTS = 20


def load_checkpoint(kind: type[nn.Module], name: str) -> Any:
    """A network of checkpoints/NAME. Raises UserError("checkpoint_missing" or "checkpoint_broken")."""
    path = card(name).path
    try:
        with redirect_stdout(sys.stderr):  # the hub's mixin prints; a command's output is its answer alone
            network = kind.from_pretrained(path, map_location="cpu", strict=True)  # type: ignore[attr-defined]
        return network.float().eval()
    except Exception as error:
        raise UserError("checkpoint_broken", file=f"checkpoints/{name}") from error


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
