"""Stands in for the lab's networks, so that the page can be tested without weights: pink tissue."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from app import page
from app.colonoscopy import service
from models.colonoscopy import pipeline
from models.colonoscopy.data.images import fitted
from models.colonoscopy.detection.registry import DETECTORS
from models.colonoscopy.pipeline import Order, Sample
from models.colonoscopy.segmentation.registry import SEGMENTERS
from models.colonoscopy.synthesis.registry import GENERATORS
from models.core.errors import UserError
from models.core.progress import Drawing, Progress

SIZE = 256
TISSUE, POLYP = np.array([176, 84, 66]), np.array([226, 150, 132])

Draw = Callable[[Order], Iterator[Progress | Sample]]


def painted(mask, seed: int, model: str):
    """A frame (256, 256, 3) of flat tissue with a little noise of the seed, lighter on the mask."""
    noise = np.random.default_rng(seed).normal(0, 6, (SIZE, SIZE, 1))
    tint = 12 * list(GENERATORS).index(model)
    return np.clip(np.where(mask[..., None], POLYP, TISSUE) + noise - tint, 0, 255).astype(np.uint8)


def drawing(steps: int = 3, pause: float = 0.0) -> Draw:
    """A drawer whose segmenter finds the mask three pixels too far to the right.

    pause: seconds of a step, and eight times as many where the most frames are ordered, so that a busy
    machine has the time to stop them.
    """

    def draw(order: Order) -> Iterator[Progress | Sample]:
        mask = fitted(order.mask, SIZE, SIZE)
        found = np.roll(mask, 3, 1)
        for index in range(order.count):
            frame = painted(mask, order.seed + index, order.model)
            for step in range(1, steps):
                time.sleep(pause * (8 if order.count == service.MOST_FRAMES else 1))
                faint = (frame * (step / steps)).astype(np.uint8)
                shown = Drawing(index, faint)
                yield Progress((index + step / steps) / order.count, "drawing", shown)
            yield Sample(
                frame,
                mask,
                found,
                dice=2 * float((mask & found).sum() / (mask.sum() + found.sum())),
                nearest=0.9,
                percentile=64.0,
                seed=order.seed + index,
                model=order.model,
                weights="0123456789ab",
                steps=order.steps,
                sampler=order.sampler,
                seconds=0.1,
            )

    return draw


def sample(seed: int = 7, **other) -> Sample:
    """One frame with a square polyp."""
    mask = np.zeros((SIZE, SIZE), bool)
    mask[60:130, 90:170] = True
    (*_, drawn) = drawing()(Order(mask, count=1, seed=seed))
    return replace(drawn, **other)


def by_colour(frame):
    """Stands for every segmenter: what is light is polyp."""
    return (frame[..., 1] > 120).astype(np.float32)


def detector():
    """Stands for every detector: boxes around what is light."""
    from models.colonoscopy.detection.base import MaskDetector

    return MaskDetector(by_colour)


def stand_in(patch: pytest.MonkeyPatch, draw: Draw | None = None) -> None:
    """Let `draw` answer instead of the lab's networks."""
    patch.setattr(service, "models", lambda: list(GENERATORS))
    patch.setattr(pipeline, "draw", draw or drawing())
    patch.setattr(pipeline, "segment", lambda frame, model="polyps": frame[..., 1] > 120)
    patch.setattr(pipeline, "looks_like_endoscopy", lambda frame: True)
    patch.setattr(pipeline, "checkpoints", list)
    for registry, network in ((SEGMENTERS, by_colour), (DETECTORS, detector())):
        patch.setattr(registry, "installed", lambda registry=registry: tuple(registry)[:3])
        patch.setattr(registry, "loaded", lambda name, network=network: network)


@contextmanager
def served(draw: Draw | None = None) -> Iterator[str]:
    """Address of a page with this lab alone, on which `draw` answers instead of the networks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page, "LABS", tuple(lab for lab in page.LABS if lab.name == "colonoscopy"))
        patch.setattr(page, "processor", lambda: "cpu")  # else a process imports torch to find out
        stand_in(patch, draw)
        running = page.start("127.0.0.1", None)
        try:
            yield running.local_url
        finally:
            running.close(verbose=False)


def failing(key: str, **facts: object) -> Draw:
    """A drawer that gives a preview, then a UserError."""

    def draw(order: Order) -> Iterator[Progress | Sample]:
        yield Progress(0.1, "drawing", Drawing(0, painted(order.mask, 0, order.model)))
        raise UserError(key, **facts)

    return draw
