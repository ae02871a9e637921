"""The contract of instance segmentation: a raw scan gets its objects, by whatever method."""

from collections.abc import Iterator
from typing import Protocol

from models.core.progress import Progress
from models.scene.data.scan import Scan
from models.scene.types import Segmented


class InstanceSegmenter(Protocol):
    """A loaded method. Raises UserError("segment_nothing") where it finds no object."""

    def __call__(self, scan: Scan) -> Segmented:
        """The scan with the instances that were found; set upright first where its file has no pose."""
        ...

    def steps(self, scan: Scan) -> Iterator[Progress | Segmented]:
        """`__call__` in stages: what is done next, and at last the result."""
        ...
