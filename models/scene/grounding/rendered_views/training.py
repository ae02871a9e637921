"""Training one-stage grounding on views of made rooms and of coloured real scans."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.core.device import Movable
from models.core.training import first_alone, fit, save_half
from models.scene.data.datasets import PEOPLE, Sentence
from models.scene.grounding.batches import Words as WordsOf
from models.scene.grounding.rendered_views.examples import (
    ViewedScan,
    answerable,
    viewed_real,
    viewed_rooms,
)
from models.scene.grounding.rendered_views.one_stage import (
    NEVER,
    STRIDES,
    Cells,
    OneStage,
    ViewFeatures,
    Words,
    cells,
)
from models.scene.grounding.sentence_vectors import WordVectors

ROOMS, REAL = 3, 1  # scans of a batch
VIEWS = 5  # of each scan, drawn anew
SENTENCES = 8  # about each scan
PEOPLE_SHARE = 0.5  # of the sentences about a real scan, where people spoke of it
# Pixels: the longest side up to which the finer stride answers, from which the coarser.
FINE, COARSE = 96.0, 48.0
BOX = 1.0  # weight of the boxes' loss


@dataclass(frozen=True)
class Targets(Movable):
    """boxes: (G, S, V, 4) of what each sentence means in each view, pixels, 0 where it is not shown.

    shown: (G, S, V) bool.
    """

    boxes: Tensor
    shown: Tensor


Batch = tuple[ViewFeatures, Words, Targets]


def batches(
    scans: Mapping[str, ViewedScan],
    said: Sequence[Mapping[str, Sequence[Sentence]]],
    words: WordsOf,
    seed: int,
) -> Iterator[Batch]:
    """Endless batches. said: {scan: sentences} of made rooms and of real scans, by `answerable`."""
    rng = random.Random(seed)
    rooms, real = said
    while True:
        chosen = [(name, rooms[name]) for name in rng.sample(sorted(rooms), min(ROOMS, len(rooms)))]
        chosen += [(name, real[name]) for name in rng.sample(sorted(real), min(REAL, len(real)))]
        yield collate([drawn(scans[name], told, rng) for name, told in chosen], words)


Drawn = tuple[ViewedScan, Sequence[Sentence]]


def drawn(scan: ViewedScan, told: Sequence[Sentence], rng: random.Random) -> Drawn:
    """Some views of a scan, and sentences about what they show."""
    count = scan.boxes.shape[1]
    target = rng.choice(told)
    place = int(np.flatnonzero(scan.ids == target.target)[0])
    # One view shows the first sentence's target, so that no draw is empty.
    sure = rng.choice(np.flatnonzero(np.isfinite(scan.boxes[place, :, 0])).tolist())
    others = rng.sample([view for view in range(count) if view != sure], min(VIEWS, count) - 1)
    picked = sorted((sure, *others))
    seen = ViewFeatures(*(level[picked] for level in vars(scan.features).values()))
    part = ViewedScan(seen, scan.ids, scan.boxes[:, picked])
    shown = set(scan.ids[np.isfinite(part.boxes[..., 0]).any(1)].tolist())
    here = [sentence for sentence in told if sentence.target in shown]
    people = [sentence for sentence in here if sentence.kind in PEOPLE]
    made = [sentence for sentence in here if sentence.kind not in PEOPLE] or people
    pools = [people if people and rng.random() < PEOPLE_SHARE else made for _ in range(SENTENCES)]
    return part, [rng.choice(pool) for pool in pools]


def collate(parts: Sequence[Drawn], words: WordsOf) -> Batch:
    """Scans with as many views and as many sentences each, as one batch."""
    levels = zip(*(vars(scan.features).values() for scan, _ in parts), strict=True)
    vectors = [[words[sentence.text] for sentence in told] for _, told in parts]
    longest = max(len(one) for each in vectors for one in each)
    padded = np.zeros((len(parts), len(vectors[0]), longest, vectors[0][0].shape[-1]), np.float32)
    mask = np.zeros(padded.shape[:3], bool)
    for g, each in enumerate(vectors):
        for s, one in enumerate(each):
            padded[g, s, : len(one)], mask[g, s, : len(one)] = one, True
    boxes = np.stack([_boxes(scan, told) for scan, told in parts])
    shown = np.isfinite(boxes[..., 0])
    return (
        ViewFeatures(*(torch.stack(level).float() for level in levels)),
        Words(torch.from_numpy(padded), torch.from_numpy(mask)),
        Targets(torch.from_numpy(np.nan_to_num(boxes)), torch.from_numpy(shown)),
    )


def _boxes(scan: ViewedScan, told: Sequence[Sentence]) -> NDArray[np.float32]:
    places = {int(identity): place for place, identity in enumerate(scan.ids)}
    return scan.boxes[[places[int(sentence.target)] for sentence in told if sentence.target is not None]]


def positives(targets: Targets, middles: Tensor, strides: Tensor) -> Tensor:
    """(G, S, V, CELLS) bool: cells in the middle half of a target's box, of the stride that suits it."""
    low, high = targets.boxes[..., None, :2], targets.boxes[..., None, 2:]
    size = high - low
    near = (middles - (low + high) / 2).abs() <= torch.maximum(size / 4, strides / 2)
    longest = size.amax(-1)
    fine = strides[:, 0] == STRIDES[0]
    suits = torch.where(fine, longest <= FINE, longest >= COARSE)
    return near.all(-1) & suits & targets.shown[..., None]


def losses(network: nn.Module, given: Batch, spent: float) -> dict[str, Tensor]:
    """Minus the logarithm of what a softmax over all cells of all views gives to right ones, since one surest
    cell answers; and of the right cells 1 - GIoU (Rezatofighi et al., CVPR 2019).
    """
    views, words, targets = given
    found: Cells = network(views, words)
    _, middles, strides = cells(found.scores.device)
    right = positives(targets, middles, strides).flatten(2)
    kept = found.scores.masked_fill(~right, NEVER)
    surest = (found.scores.logsumexp(-1) - kept.logsumexp(-1)).mean()
    wanted = targets.boxes[..., None, :].expand(*targets.boxes.shape[:3], len(middles), 4).flatten(2, 3)
    overlap, generalised = overlaps(found.boxes[right], wanted[right])
    box = (1 - generalised).mean()
    best = found.scores.argmax(-1, keepdim=True)
    answered = overlaps(_at(found.boxes, best), _at(wanted, best))[0] >= 0.5
    hit = (answered & _shown_at(targets, best, len(middles))).float().mean()
    return {"loss": surest + BOX * box, "surest": surest, "box": box, "iou": overlap.mean(), "hit": hit}


def _at(boxes: Tensor, best: Tensor) -> Tensor:
    return boxes.gather(2, best[..., None].expand(*best.shape, 4))[:, :, 0]


def _shown_at(targets: Targets, best: Tensor, count: int) -> Tensor:
    return targets.shown.gather(2, best // count)[..., 0]


def overlaps(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and generalised IoU (...,) of boxes (..., 4)."""
    shared = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0)
    around = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).prod(-1)
    common = shared.prod(-1)
    union = (a[..., 2:] - a[..., :2]).prod(-1) + (b[..., 2:] - b[..., :2]).prod(-1) - common
    iou = common / union.clamp(min=1e-6)
    return iou, iou - (around - union) / around.clamp(min=1e-6)


def train(data: Path, out: Path, minutes: float, seed: int = 0) -> None:
    """Train what ships and write its checkpoint folder; the model card is written from what this prints."""
    with first_alone():
        made, real = viewed_rooms(), viewed_real(data)
        scans = {**made[0], **real[0]}
        said = [answerable(each[1], scans) for each in (made, real)]
        words = WordVectors(one.text for each in said for told in each.values() for one in told)
    for title, each in zip(("rooms", "real"), said, strict=True):
        people = sum(one.kind in PEOPLE for told in each.values() for one in told)
        print(title, len(each), "scans,", sum(map(len, each.values())), "sentences,", people, "of people")
    torch.manual_seed(seed)
    average, done = fit(
        "grounding_2d",
        OneStage(),
        lambda seed: batches(scans, said, words, seed),
        losses,
        rate=2e-3,
        minutes=minutes,
        seed=seed,
    )
    save_half(average, out)
    print(done, flush=True)
