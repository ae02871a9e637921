"""The contracts of dense captioning: a scan and an object give a caption, by whatever method."""

from collections.abc import Iterator
from typing import Protocol

from torch import Tensor
from torch.nn import Parameter

from models.scene.captioning.around import Around
from models.scene.captioning.spoken_words import SpokenWords
from models.scene.captioning.unsaid import EVERYWHERE, Unsaid
from models.scene.data.scan import Scan
from models.scene.types import Caption


class SpeakingNetwork(Protocol):
    """A network that says captions of B targets among N objects; one predictor serves all of them."""

    spoken: SpokenWords

    def best(self, around: Around, style: str, never: Unsaid = EVERYWHERE) -> tuple[Tensor, Tensor]:
        """(B, C, T) ids of its captions, best first, and (B, C) the sums of their words' log-probabilities.

        style: one of STYLES. never: words that aren't said.
        """
        ...

    def attended(self, around: Around, ids: Tensor) -> Tensor:
        """(B, T, N) how much each word of (B, T) looked at each object."""
        ...

    def parameters(self) -> Iterator[Parameter]:
        """As a module has them."""
        ...


class CaptioningModel(Protocol):
    """A loaded method. Raises UserError: scan_unlabelled, object_unknown."""

    checkpoint: str

    def __call__(self, scan: Scan, object_id: int) -> Caption:
        """What there is to say of one object."""
        ...

    def describe(self, scan: Scan) -> Iterator[Caption]:
        """A caption of every object but walls, floor and ceiling, each as soon as it is there."""
        ...
