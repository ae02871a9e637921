"""The predictor around X-Trans2Cap with its authors' weights: an object of a scan, word after word.

As the release's evaluation does: the student alone, the likeliest word each time, 32 words at most; "pad_"
and "sos" can't be said here. Of more than 64 objects those nearest to the one described are seen, where the
release takes the first 64 of its files.
"""

import time
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from models.core import device
from models.core.checkpoints import folder_of, load_checkpoint
from models.core.errors import UserError
from models.scene.captioning.decoding import say
from models.scene.captioning.predictor import AT_ONCE, LIGHT, SHOWN, readable
from models.scene.captioning.spoken_words import PAD
from models.scene.captioning.xtrans2cap.vocabulary import read_vocabulary
from models.scene.captioning.xtrans2cap.xtrans2cap import END, START, Scenes, XTrans2Cap
from models.scene.data.scan import Scan
from models.scene.objects.sampled_points import SampledScan, sampled
from models.scene.types import Anchor, Caption

MOST_OBJECTS = 64
INPUTS = 6  # xyz and colour; the height is InstanceRefer's


class PublishedCaptioner:
    """A `CaptioningModel`: an imported checkpoint and its words."""

    def __init__(self, checkpoint: str) -> None:
        """Raises UserError("checkpoint_missing" or "checkpoint_broken") naming the file."""
        self.checkpoint = checkpoint
        self.device = device.best()
        self.network: XTrans2Cap = load_checkpoint(XTrans2Cap, checkpoint)
        self.words = read_vocabulary(folder_of(checkpoint), self.network.config.vocabulary)

    def __call__(self, scan: Scan, object_id: int) -> Caption:
        """What there is to say of an object. Raises UserError: object_unknown, scan_unlabelled."""
        objects = sampled(scan)
        found = np.flatnonzero(objects.ids == object_id)
        if not len(found):
            raise UserError("object_unknown", object=object_id)
        return self._said(objects, self._shapes(objects), [int(found[0])])[0]

    def describe(self, scan: Scan) -> Iterator[Caption]:
        """A caption of every object that is no wall, floor or ceiling; raises as `__call__` does."""
        objects = sampled(scan)
        shapes = self._shapes(objects)
        for start in range(0, len(objects.ids), AT_ONCE):
            targets = range(start, min(start + AT_ONCE, len(objects.ids)))
            yield from self._said(objects, shapes, targets)

    @torch.inference_mode()
    def _shapes(self, objects: SampledScan) -> Tensor:
        """(N, 128) of the points of every object, a few at once."""
        points = torch.from_numpy(objects.points[:, :INPUTS])
        parts = torch.from_numpy(objects.own).split(AT_ONCE)
        return torch.cat([self.network.object_encoder(points[part].to(self.device)) for part in parts])

    @torch.inference_mode()
    def _said(self, objects: SampledScan, shapes: Tensor, targets: Sequence[int]) -> list[Caption]:
        start = time.monotonic()
        places = np.stack([_around(objects, target) for target in targets])
        scenes = self._scenes(objects, places).to(self.device)
        levels = self.network.encode(scenes, shapes[torch.from_numpy(places).to(shapes.device)])
        decoder = self.network.captioner.decoder
        most = self.network.config.longest + 1  # "sos", and 32 words
        ids = say(decoder, levels, scenes.exists, START, END, longest=most)[0][:, 0]
        seen = decoder.look(levels)
        logits, _ = decoder(ids[:, :-1], seen, scenes.exists)
        chosen = logits.log_softmax(-1).gather(2, ids[:, 1:, None])[..., 0]
        written = ids[:, 1:] != PAD
        likely = ((chosen * written).sum(1) / written.sum(1)).exp().cpu()
        looks = decoder.attended(ids[:, :-1], seen, scenes.exists).cpu()
        seconds = round((time.monotonic() - start) / len(targets), 3)
        return [
            Caption(
                int(objects.ids[target]),
                objects.labels[target],
                self._text(ids[row].tolist()),
                (),
                (round(float(likely[row]), 3),),
                _anchors(objects, places[row], looks[row], ids[row, :-1].cpu()),
                self.checkpoint,
                seconds,
            )
            for row, target in enumerate(targets)
        ]

    def _scenes(self, objects: SampledScan, places: np.ndarray) -> Scenes:
        """What is around each target, the first of its row of `places` (B, N)."""
        boxes = torch.from_numpy(objects.boxes)
        boxes = torch.cat([(boxes[:, :3] + boxes[:, 3:]) / 2, boxes[:, 3:] - boxes[:, :3]], 1)
        rows = torch.from_numpy(places)
        classes = one_hot(torch.from_numpy(objects.classes), self.network.config.classes).float()
        return Scenes(
            points=torch.empty(*rows.shape, 0),  # their shapes are known already
            boxes=boxes[rows],
            classes=classes[rows],
            exists=torch.ones(rows.shape, dtype=torch.bool),
            target=torch.zeros(len(rows), dtype=torch.long),
        )

    def _text(self, ids: Sequence[int]) -> str:
        return readable([self.words[place] for place in ids if place not in (PAD, START, END)])


def _around(objects: SampledScan, target: int) -> np.ndarray:
    """(N,) the target and the objects nearest to it, at most 64 in all."""
    middles = (objects.boxes[:, :3] + objects.boxes[:, 3:]) / 2
    distance = np.linalg.norm(middles - middles[target], axis=1)
    distance[target] = -1
    return np.argsort(distance, kind="stable")[:MOST_OBJECTS]


def _anchors(objects: SampledScan, places: np.ndarray, looks: Tensor, ids: Tensor) -> tuple[Anchor, ...]:
    """The objects beside the target that the words looked at most. looks: (T, N). ids: (T,)."""
    weights = looks[ids != PAD].mean(0).numpy()
    order = [i for i in np.argsort(-weights) if i != 0 and weights[i] >= LIGHT][:SHOWN]
    return tuple(
        Anchor(int(objects.ids[places[i]]), objects.labels[places[i]], round(float(weights[i]), 3))
        for i in order
    )
