"""Stands in for the lab's networks, so that the page can be tested without weights: pink tissue."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import cv2
import numpy as np
import pytest

from app import page
from app.colonoscopy import service
from models.colonoscopy import LOOKS, MASKLESS, pipeline
from models.colonoscopy.data.images import fitted, squared
from models.colonoscopy.detection.registry import DETECTORS
from models.colonoscopy.pipeline import Order, Sample
from models.colonoscopy.segmentation.registry import SEGMENTERS
from models.colonoscopy.synthesis.registry import GENERATORS
from models.colonoscopy.video.base import FilmFrame, FilmOrder
from models.colonoscopy.video.registry import FILMS
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


class Filming:
    """Stands for every generator of films: the mask wanders over painted tissue as the camera moves.

    pause: seconds of a frame. knows_mask: else there is a polyp in the middle, and nothing changes it.
    """

    looks = LOOKS

    def __init__(self, pause: float = 0.0, knows_mask: bool = True) -> None:
        self.pause, self.knows_mask = pause, knows_mask

    def __call__(self, order: FilmOrder) -> Iterator[Progress | FilmFrame]:
        """The frames, the first after two previews."""
        first = fitted(order.mask, SIZE, SIZE) if self.knows_mask else _blob()
        texture = squared(order.frame, SIZE) if order.frame is not None and self.knows_mask else None
        for index in range(order.count):
            share = index / max(1, order.count - 1)
            mask = moved(first, order.move if self.knows_mask else "around", share)
            if order.mask_last is not None and self.knows_mask and share > 0.5:
                mask = fitted(order.mask_last, SIZE, SIZE)
            frame = painted(mask, order.seed, GENERATORS.default) if texture is None else texture.copy()
            frame = frame if texture is None else np.where(mask[..., None], POLYP, frame).astype(np.uint8)
            for step in range(2 if index == 0 else 1):
                time.sleep(self.pause)
                faint = (frame * (0.5 + step / 4)).astype(np.uint8)
                yield Progress(index / order.count, "drawing", Drawing(index, faint))
            yield FilmFrame(index, frame, mask if self.knows_mask else None)


def _blob():
    y, x = np.mgrid[:SIZE, :SIZE]
    return (x - SIZE / 2) ** 2 + (y - SIZE / 2) ** 2 < 40**2


def moved(mask, move: str, share: float):
    """A mask (256, 256) as the camera sees it after a share of its way."""
    angle, zoom = (90 * share if move == "around" else 0), 1.0
    zoom += {"forward": 0.4, "back": -0.3}.get(move, 0.0) * share
    warp = cv2.getRotationMatrix2D((SIZE / 2, SIZE / 2), angle, zoom)
    warp[0, 2] += {"left": 40, "right": -40}.get(move, 0) * share
    return cv2.warpAffine(mask.astype(np.uint8), warp, (SIZE, SIZE), flags=cv2.INTER_NEAREST) > 0


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


def stand_in_films(patch: pytest.MonkeyPatch, pause: float = 0.0) -> None:
    """Let `Filming` and `by_colour` answer instead of the networks that make films and judge them."""
    known = {name: Filming(pause, name not in MASKLESS) for name in FILMS}
    patch.setattr(FILMS, "installed", lambda: tuple(known))
    patch.setattr(FILMS, "loaded", lambda name: known[FILMS[name].name])
    patch.setattr(FILMS, "weights", lambda name: "0123456789ab")
    patch.setattr(SEGMENTERS, "loaded", lambda name: by_colour)


def stand_in(patch: pytest.MonkeyPatch, draw: Draw | None = None, pause: float = 0.0) -> None:
    """Let `draw` answer instead of the lab's networks. pause: seconds of a film's frame."""
    patch.setattr(service, "models", lambda: list(GENERATORS))
    patch.setattr(pipeline, "draw", draw or drawing())
    patch.setattr(pipeline, "segment", lambda frame, model="polyps": frame[..., 1] > 120)
    patch.setattr(pipeline, "looks_like_endoscopy", lambda frame: True)
    patch.setattr(pipeline, "checkpoints", list)
    for registry, network in ((SEGMENTERS, by_colour), (DETECTORS, detector())):
        patch.setattr(registry, "installed", lambda registry=registry: tuple(registry)[:3])
        patch.setattr(registry, "loaded", lambda name, network=network: network)
    stand_in_films(patch, pause)


@contextmanager
def served(draw: Draw | None = None, pause: float = 0.0) -> Iterator[str]:
    """Address of a page with this lab alone, on which `stand_in` answers instead of the networks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page, "LABS", tuple(lab for lab in page.LABS if lab.name == "colonoscopy"))
        patch.setattr(page, "processor", lambda: "cpu")  # else a process imports torch to find out
        stand_in(patch, draw, pause)
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
