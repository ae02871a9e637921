"""The predictor around InstanceRefer with its authors' weights: 40,000 points, 18 classes, GloVe's words.

What it is asked is what the release's evaluation asks, but that the class of the object sought is taken from
the sentence: the release looks it up in the annotation (`use_gt_lang`). Where one object has that class it is
the answer, and where none has there is no answer, as there.
"""

import re
import time

import numpy as np
import torch
from torch import Tensor

from models.core import device
from models.core.checkpoints import folder_of, load_checkpoint
from models.scene.data.scan import Scan
from models.scene.data.scanrefer18 import CLASSES
from models.scene.grounding.base import Grounding, RankedObject
from models.scene.grounding.instancerefer.glove import WordVectors
from models.scene.grounding.instancerefer.instancerefer import (
    MODULES,
    Batch,
    InstanceRefer,
    candidates_of_class,
)
from models.scene.grounding.instancerefer.matching import GAMMA
from models.scene.objects.sampled_points import SampledScan, sampled

LONGEST = 126  # words of a sentence


class PublishedInstanceRefer:
    """A `GroundingModel`: an imported checkpoint and its word vectors."""

    def __init__(self, checkpoint: str) -> None:
        """Raises UserError("checkpoint_missing" or "checkpoint_broken") naming the file."""
        self.checkpoint = checkpoint
        self.network: InstanceRefer = load_checkpoint(InstanceRefer, checkpoint)
        self.vectors = WordVectors(folder_of(checkpoint), self.network.config.word_width)
        self.device = device.best()

    @torch.inference_mode()
    def __call__(self, scan: Scan, sentence: str) -> Grounding:
        """The object that a sentence means. Raises UserError("scan_unlabelled") where nothing is labelled."""
        start = time.monotonic()
        objects = sampled(scan)
        said = re.findall(r"[\w'-]+|[^\w\s]", sentence)[:LONGEST] or [sentence]
        batch = _batch(objects, torch.from_numpy(self.vectors([word.lower() for word in said])))
        batch = batch.to(self.device)
        heard = self.network.lang(batch.words, batch.word_mask)
        wanted = heard.classes.argmax(1)
        pairs = candidates_of_class(wanted, batch)
        ranked: tuple[RankedObject, ...] = ()
        if len(pairs.object):
            found = self.network(batch, pairs)
            ranked = _ranked(objects, found.scores.cpu(), pairs.object.cpu())
        target = CLASSES[int(wanted)]
        looks = heard.attention[0].amax(0).cpu()
        shares = (looks / looks.max().clamp(min=1e-9)).tolist()
        return Grounding(
            method=self.checkpoint,
            sentence=sentence,
            ranked=ranked,
            target=target,
            checkpoint=self.checkpoint,
            seconds=round(time.monotonic() - start, 3),
            words=tuple((word, round(share, 3)) for word, share in zip(said, shares, strict=True)),
            missing="" if ranked else target,
        )


def _batch(objects: SampledScan, words: Tensor) -> Batch:
    """A sentence (T, 300) about a scan."""
    points, own = torch.from_numpy(objects.points), torch.from_numpy(objects.own)
    count, of_each = own.shape
    return Batch(
        words=words[None],
        word_mask=torch.ones(1, len(words), dtype=torch.bool),
        sentence_scene=torch.zeros(1, dtype=torch.long),
        boxes=torch.from_numpy(objects.seen),
        classes=torch.from_numpy(objects.classes),
        object_scene=torch.zeros(count, dtype=torch.long),
        points=points[own.flatten()],
        point_object=torch.arange(count).repeat_interleave(of_each),
        scene_points=points,
        scene_point_scene=torch.zeros(len(points), dtype=torch.long),
        scenes=1,
    )


def _ranked(objects: SampledScan, scores: Tensor, candidates: Tensor) -> tuple[RankedObject, ...]:
    """The candidates (C,), best first. scores: (C, 3) cosines, sharpened as the loss does."""
    shares = (GAMMA * scores.sum(1)).softmax(0)
    ranked = []
    for place in np.argsort(-shares.numpy(), kind="stable"):
        row = int(candidates[place])
        ranked.append(
            RankedObject(
                int(objects.ids[row]),
                objects.labels[row],
                tuple(round(float(value), 4) for value in objects.boxes[row]),
                round(float(shares[place]), 4),
                {name: round(float(scores[place, part]), 3) for part, name in enumerate(MODULES)},
            )
        )
    return tuple(ranked)
