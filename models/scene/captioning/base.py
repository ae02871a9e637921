"""The contract of dense captioning: a scan and an object give a caption, by whatever method."""

from collections.abc import Iterator
from typing import Protocol

from models.scene.data.scan import Scan
from models.scene.types import Caption


class CaptioningModel(Protocol):
    """A loaded method. Raises UserError: scan_unlabelled, object_unknown."""

    checkpoint: str

    def __call__(self, scan: Scan, object_id: int) -> Caption:
        """What there is to say of one object."""
        ...

    def describe(self, scan: Scan) -> Iterator[Caption]:
        """A caption of every object but walls, floor and ceiling, each as soon as it is there."""
        ...
