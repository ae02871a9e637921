"""X-Trans2Cap as shipped: the published students and teachers over an open vocabulary of labels.

`xtrans2cap.py` is the published network with 18 classes and the points of every
object. This one is smaller, takes any label that MiniLM has a vector for, reads
label, box, colour and shape features of the target and the objects nearest to
it, and measures them as grounding does (features.py).

What the teacher sees beside it: a view of each object (training/views.py), which is
**rendered** where colour exists (made rooms) and a flat crop of the mean colour where it does
not (the real boxes at hand); the annotated label where the student may be shown a detector's
guess; and where the object would lie in the picture that a person in the middle of the room
takes of the target.

B captions, N objects: the target first, then the others by how near they are.
"""

import math
from collections.abc import Sequence

import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn
from torch.nn.functional import normalize

from models.scene.captioning.around import Around
from models.scene.captioning.decoding import say
from models.scene.captioning.spoken_words import END, STYLES, SpokenWords
from models.scene.captioning.unsaid import EVERYWHERE, Unsaid
from models.scene.captioning.xtrans2cap.meshed_memory import Captioner
from models.scene.objects.object_set import LABEL, SHAPE
from models.scene.objects.spatial_features import (
    CANDIDATE_WIDTH,
    PAIR_WIDTH,
    VIEW_WIDTH,
    candidate_features,
    centres,
    colour_view,
    object_features,
    pair_features,
    sizes,
)

BEAMS, KEPT = 5, 3  # of beam search: tried, and told
NAME, PLACE = 128, 64
ALIKE = 0.6  # cosine of two labels from which their objects begin to count as peers


class OpenXTrans2Cap(nn.Module, PyTorchModelHubMixin):
    """Captions for objects with any label.

    words: the vocabulary, see SpokenWords.
    teacher: whether the teacher is there; it is needed in training only.
    """

    def __init__(
        self,
        *,
        words: Sequence[str],
        width: int = 128,
        heads: int = 4,
        inner: int = 384,
        layers: int = 3,
        memory: int = 20,
        longest: int = 34,
        dropout: float = 0.1,
        teacher: bool = True,
    ) -> None:
        super().__init__()
        self.spoken = SpokenWords(tuple(words), longest)
        sizes_ = {"longest": longest, "width": width, "heads": heads, "inner": inner, "layers": layers}
        sizes_ |= {"decoder_layers": 1, "memory": memory}
        self.name = nn.Sequential(nn.Linear(LABEL, NAME), nn.LayerNorm(NAME))
        self.own = _measured(17 + VIEW_WIDTH)
        self.relative = _measured(PAIR_WIDTH)
        self.rank = _measured(CANDIDATE_WIDTH)
        tokens = SHAPE + NAME + 3 * PLACE
        self.captioner = Captioner(tokens, len(words), **sizes_, dropout=dropout)
        self.captioner_teacher = None
        if teacher:
            self.view = _measured(VIEW_WIDTH)
            self.view_box = _measured(4)
            tokens = NAME + 3 * PLACE
            self.captioner_teacher = Captioner(tokens, len(words), **sizes_, dropout=dropout)

    def encode(self, around: Around) -> Tensor:
        """(B, layers, N, width): what the student makes of the objects."""
        with torch.autocast(around.boxes.device.type, enabled=False):
            measured = object_features(around.boxes, around.colours, around.room)
            own = torch.cat([measured, colour_view(around.colours)], -1)
            alike = self._alike(around)
            rank = candidate_features(around.boxes, around.colours, alike, around.room) * alike[..., None]
            pairs = self._pairs(around, alike)
        parts = [
            around.shapes,
            self.name(around.names),
            self.own(own),
            self.relative(pairs),
            self.rank(rank),
        ]
        tokens = torch.cat(parts, -1) * around.exists[..., None]
        return self.captioner.encoder(tokens, around.exists)

    def encode_with_view(self, around: Around, student: Tensor) -> Tensor:
        """(B, layers, N, width) of the teacher, fused with the student's outputs layer by layer."""
        assert self.captioner_teacher is not None
        with torch.autocast(around.boxes.device.type, enabled=False):
            pairs = self._pairs(around, self._alike(around))
            box = view_boxes(around.boxes, around.room)
        parts = [
            self.view(around.views),
            self.name(around.true_names),
            self.view_box(box),
            self.relative(pairs),
        ]
        tokens = torch.cat(parts, -1) * around.exists[..., None]
        return self.captioner_teacher.encoder(tokens, around.exists, student)

    def _alike(self, around: Around) -> Tensor:
        """(B, N) how far each object is a peer of the target, which is its own peer."""
        near = (normalize(around.names, dim=-1) @ normalize(around.names[:, :1], dim=-1).transpose(1, 2))[
            ..., 0
        ]
        alike = ((near - ALIKE) / (1 - ALIKE)).clamp(0, 1) * around.exists
        return torch.cat([torch.ones_like(alike[:, :1]), alike[:, 1:]], 1)

    def _pairs(self, around: Around, alike: Tensor) -> Tensor:
        """(B, N, PAIR_WIDTH) how the target lies to each object."""
        target, one = around.boxes[:, :1], torch.ones_like(alike[:, :1])
        return pair_features(target, around.boxes, alike, one, around.room)[:, 0]

    def forward(
        self, around: Around, ids: Tensor, teacher: bool = False
    ) -> tuple[Tensor, Tensor] | tuple[Tensor, Tensor, Tensor, Tensor]:
        """The student's (B K, T, V) logits of each next word and (B K, 1, T, width) outputs of its decoder.

        ids: (B K, T), padded with 0: K captions of each target, side by side.
        teacher: the teacher reads them too; its logits and outputs follow, as `xtrans2cap.Taught` has them.
        """
        levels = self.encode(around)
        each = len(ids) // len(around.exists)
        exists = around.exists.repeat_interleave(each, 0)
        student = self.captioner.decoder
        found = student(ids, student.look(levels).repeat_interleave(each, 0), exists)
        if not teacher:
            return found
        assert self.captioner_teacher is not None
        above = self.captioner_teacher.decoder
        seen = above.look(self.encode_with_view(around, levels)).repeat_interleave(each, 0)
        return (*found, *above(ids, seen, exists))

    @torch.no_grad()
    def search(
        self, around: Around, style: str, beams: int, count: int, never: Unsaid = EVERYWHERE
    ) -> tuple[Tensor, Tensor]:
        """(B, count, T) ids of the student's best captions and (B, count) their scores, by beam search."""
        levels, decoder = self.encode(around), self.captioner.decoder
        return say(decoder, levels, around.exists, STYLES[style], END, beams=beams, count=count, never=never)

    def best(self, around: Around, style: str, never: Unsaid = EVERYWHERE) -> tuple[Tensor, Tensor]:
        """See SpeakingNetwork."""
        return self.search(around, style, BEAMS, KEPT, never)

    @torch.no_grad()
    def attended(self, around: Around, ids: Tensor) -> Tensor:
        """See SpeakingNetwork."""
        decoder = self.captioner.decoder
        return decoder.attended(ids, decoder.look(self.encode(around)), around.exists)

    def student(self) -> "OpenXTrans2Cap":
        """A copy without the teacher: what ships."""
        config = self._hub_mixin_config
        assert isinstance(config, dict)
        alone = OpenXTrans2Cap(**{**config, "teacher": False})
        kept = alone.state_dict().keys()
        alone.load_state_dict({name: value for name, value in self.state_dict().items() if name in kept})
        return alone.eval()


def view_boxes(boxes: Tensor, room: Tensor) -> Tensor:
    """(B, N, 4) bearing, height, width, distance of objects in a picture of the first, shot from mid-room.

    boxes: (B, N, 6), the target first. room: (B, 6). Bearing: -1 to 1 for half a turn, left positive.
    """
    offset = centres(boxes) - centres(room)[:, None]
    plan, ahead = offset[..., :2], normalize(offset[:, :1, :2], dim=-1)
    left = ahead[..., 0] * plan[..., 1] - ahead[..., 1] * plan[..., 0]
    distance = plan.norm(dim=-1)
    bearing = torch.atan2(left, (plan * ahead).sum(-1)) / math.pi
    wide = sizes(boxes)[..., :2].norm(dim=-1) / (distance + 0.5)
    return torch.stack([bearing, offset[..., 2] / (distance + 0.5), wide, distance], -1)


def _measured(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, PLACE), nn.LayerNorm(PLACE))
