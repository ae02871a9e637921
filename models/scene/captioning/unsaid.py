"""Words that a caption does not say: what is no word, the last word again, colours of other things."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from models.scene.captioning.faithfulness import SAME_COLOUR
from models.scene.captioning.spoken_words import SILENT, SpokenWords
from models.scene.grounding.sentence_reading import MORE_COLOURS
from models.scene.objects.object_set import Objects
from models.scene.synthetic_language.colour_names import NEAR
from models.scene.synthetic_language.vocabulary import COLOURS

FULL_STOP = "."


@dataclass(frozen=True)
class Unsaid:
    """Ids of words that aren't said.

    always: in no caption. first: (B, V) bool, not in the first sentence of each of B captions, which is about
    the object itself; a later one may name its neighbour's colour. stop: the id of a full stop. twice: any
    word may follow itself.
    """

    always: Sequence[int] = SILENT
    first: Tensor | None = field(default=None, compare=False)
    stop: int = -1
    twice: bool = False

    def silence(self, logits: Tensor, said: Tensor) -> Tensor:
        """Logits (R, V) of the next words without these. said: (R, T) ids so far, R / B captions each."""
        logits = logits.index_fill(1, torch.tensor(list(self.always), device=logits.device), -torch.inf)
        if not self.twice:
            logits = logits.scatter(1, said[:, -1:], -torch.inf)
        if self.first is None:
            return logits
        rows = self.first.to(logits.device).repeat_interleave(len(said) // len(self.first), 0)
        return logits.masked_fill(rows & ~(said == self.stop).any(1, keepdim=True), -torch.inf)


NOTHING = Unsaid((), twice=True)
EVERYWHERE = Unsaid()  # what is no word, and the last one again


def unsaid(spoken: SpokenWords, targets: Sequence[tuple[Objects, int]], coloured: bool = True) -> Unsaid:
    """What isn't said of objects (the scene's, and the place among them).

    coloured: whether their colours are known. Of a scan that has none each would be made up; of one that has
    some, the first sentence names one of the two that people would likeliest call the object's.
    """
    if not coloured:
        names = {*COLOURS, *MORE_COLOURS}
        return Unsaid((*SILENT, *(at for word, at in spoken.places.items() if word in names)))
    nine = {at: SAME_COLOUR.get(word, word) for word, at in spoken.places.items()}
    first = torch.zeros(len(targets), len(spoken.words), dtype=torch.bool)
    for row, (objects, place) in enumerate(targets):
        others = COLOURS.keys() - objects.colour_names[place][:NEAR]
        first[row, [at for at, name in nine.items() if name in others]] = True
    return Unsaid(first=first, stop=spoken.places.get(FULL_STOP, -1))
