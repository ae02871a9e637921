"""The film under a mask at work: a first frame, a camera's path, and 16 frames at a time from there.

Each window begins with the last frame of the one before, so that a film of any length has no seam and needs
the memory of one window.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d, avg_pool3d, max_pool2d, pad

from models.colonoscopy import LOOKS
from models.colonoscopy.data.images import Frame, Mask, fitted, outside
from models.colonoscopy.synthesis.cascade import SMALL, cosine_schedule
from models.colonoscopy.synthesis.denoising import denoise
from models.colonoscopy.synthesis.generator import SIZE, Cascade, picture
from models.colonoscopy.synthesis.super_resolution import MIDDLE, Sharpener, enlarged
from models.colonoscopy.synthesis.whole_frames import hull
from models.colonoscopy.video.base import CLIP, FilmFrame, FilmOrder
from models.colonoscopy.video.camera import (
    FLOW,
    Field,
    grid,
    light,
    moved,
    path,
    plausible_depth,
    sampled,
    sources,
)
from models.colonoscopy.video.conditions import carried, moving_noise, noise_field
from models.colonoscopy.video.film_networks import Condition, FilmBase, FilmDetail
from models.colonoscopy.video.first_frame import FRAME_STEPS, first_frame, shipped_cascade
from models.colonoscopy.video.moving_mask import between, carried_mask, keyed
from models.core.checkpoints import load_checkpoint
from models.core.progress import Drawing, Progress

COARSE = 400  # the time at which the base is asked last: what is finer the detail draws, and better
DRAWING = "drawing"


@dataclass
class _Window:
    """Frames from `start` on. first: uint8 (SIZE, SIZE, 3), that frame. mask: its polyp. lens: its tissue."""

    start: int
    first: Frame
    mask: Mask
    lens: Mask


@dataclass(frozen=True)
class _Moving:
    """Of T frames: came (T, MIDDLE, MIDDLE, 2), light (T, MIDDLE, MIDDLE), masks (T, SIZE, SIZE)."""

    came: Field
    light: Field
    masks: NDArray[np.bool_]


class ConditionedFilms:
    """A `VideoGenerator` of the cascade of frames, for the first one, and the film's three networks."""

    knows_mask = True
    looks = LOOKS

    def __init__(self, cascade: Cascade, base: FilmBase, detail: FilmDetail, sharpener: Sharpener) -> None:
        self.cascade, self.base, self.detail = cascade, base.eval(), detail.eval()
        self.sharpener = sharpener.eval()
        self.schedule = cosine_schedule()

    @torch.inference_mode()
    def __call__(self, order: FilmOrder) -> Iterator[Progress | FilmFrame]:
        """See `VideoGenerator`. Frames are uint8 (256, 256, 3)."""
        mask = fitted(order.mask, SIZE, SIZE)
        first = None
        for share, first in self._first(order, mask):
            yield Progress(0.1 * share, DRAWING, Drawing(0, first))
        assert first is not None
        lens = _lens(first)
        rng = np.random.default_rng(order.seed)
        poses = path(order.move, order.count, rng)
        field = noise_field(order.seed)
        window = _Window(0, first, mask & lens, lens)
        keys = None if order.mask_last is None else (mask, fitted(order.mask_last, SIZE, SIZE))
        while True:
            count = min(CLIP, order.count - window.start)
            moving = self._moving(window, poses, count, keys)
            frame, at = window.first, window.start
            for step in self._window(window, moving, field, order):
                if isinstance(step, Tensor):
                    share = (window.start + 0.5 * count) / order.count
                    yield Progress(0.1 + 0.9 * share, DRAWING, Drawing(window.start, picture(step)))
                    continue
                frame = step
                shown = moving.masks[at - window.start] & lens
                if at > window.start or at == 0:  # the first frame of a later window has been shown
                    yield FilmFrame(at, frame, shown)
                at += 1
            if at >= order.count:
                return
            window = _Window(at - 1, frame, moving.masks[-1] & lens, lens)

    def _first(self, order: FilmOrder, mask: Mask) -> Iterator[tuple[float, Frame]]:
        """The first frame (SIZE, SIZE, 3): the visitor's own, with a polyp drawn into it or not, or drawn."""
        if order.frame is not None:
            yield from first_frame(order, mask, lambda: self.cascade)
            return
        for step in self.cascade(mask, count=1, seed=order.seed, steps=FRAME_STEPS, look=order.look):
            if isinstance(step, Progress):
                assert isinstance(step.preview, Drawing)
                yield step.fraction, step.preview.frame

    def _moving(self, window: _Window, poses: Field, count: int, keys: tuple[Mask, Mask] | None) -> "_Moving":
        """How the window's first frame is seen from each of its poses."""
        depth = plausible_depth(window.first, window.mask, window.lens)
        small = depth.at(FLOW)
        whole, half = np.stack(grid(SIZE), -1), np.stack(grid(MIDDLE), -1)
        came, masks, lights = [], [], []
        last = len(poses) - 1
        for number in range(count):
            pose = poses[window.start + number] - poses[window.start]
            at = sampled(sources(moved(small, pose)), whole)
            if keys is None:
                now = carried_mask(window.mask, at)
            else:
                now = between(*keys, (window.start + number) / max(last, 1))
                if now.any() and window.mask.any():
                    at = keyed(at, window.mask, now)
            came.append(sampled(at, half))
            lit = light(depth, pose, came[-1])
            lights.append(lit / lit.mean())  # the camera holds its exposure: window after window would add up
            masks.append(now)
        return _Moving(np.stack(came), np.stack(lights), np.stack(masks))

    def _window(
        self, window: _Window, moving: _Moving, field: Field, order: FilmOrder
    ) -> Iterator[Tensor | Frame]:
        """Previews (1, 3, SIZE, SIZE) of its middle, then its frames in their order."""
        masks = np.stack([fitted(one, MIDDLE, MIDDLE) for one in moving.masks])
        given = carried(window.first, window.lens, masks, moving.came, moving.light).to(self.base.device)
        clip = None
        for clip in self._denoised(given.at(SMALL), order, window.start):
            yield enlarged(clip[:, len(masks) // 2], SIZE // SMALL)
        assert clip is not None
        noise = moving_noise(field, moving.came).to(self.base.device)
        for at in range(len(masks)):
            one = slice(at, at + 1)
            part = Condition(given.carried[:, one], given.known[:, one], given.polyp[:, one])
            middle = self.detail(clip[:, one], part, noise[:, one])[:, 0].clamp(-1, 1)
            yield _under(picture(self.sharpener(middle)), window.lens)

    def _denoised(self, given: Condition, order: FilmOrder, start: int) -> Iterator[Tensor]:
        """What the small clip (1, T, 3, SMALL, SMALL) is expected to be; the last is it."""
        generator = torch.Generator().manual_seed(order.seed * 1000 + start)
        noisy = torch.randn(given.carried.shape, generator=generator).to(given.carried.device)
        steps = denoise(
            self.schedule,
            lambda noisy, times: self.base(noisy, times, given),
            noisy,
            generator,
            steps=order.steps,
            sampler="dpm",
            until=COARSE,
        )
        for _, clip in steps:
            yield settled(clip.clamp(-1, 1), given)


def settled(clip: Tensor, given: Condition) -> Tensor:
    """The small clip with what the first frame knows as it knows it; the seam is soft.

    What is drawn anew in each window would stray, a little each time, and a polyp that is looked at would
    change its colour. What came into view is smoothed over neighbours in time and space: where the base
    stops, a pixel alone is still noise.
    """
    around = pad(clip.transpose(1, 2), (1, 1, 1, 1, 1, 1), mode="replicate")
    calm = avg_pool3d(around, 3, 1).transpose(1, 2)
    known = given.known.flatten(0, 1)
    sure = -max_pool2d(-known, 3, 1, 1)
    sure = avg_pool2d(sure, 3, 1, 1, count_include_pad=False).view_as(given.known)
    return sure * given.carried + (1 - sure) * calm


def _lens(frame: Frame) -> Mask:
    """What the lens shows in a frame (S, S, 3): the convex shape around its tissue."""
    tissue = ~outside(frame)
    return hull(tissue) if tissue.any() else ~tissue


def _under(frame: Frame, lens: Mask) -> Frame:
    """The frame, black where the lens shows nothing, with a soft rim."""
    soft = cv2.GaussianBlur(lens.astype(np.float32), (0, 0), 0.8)[..., None]
    return (frame * soft).round().astype(np.uint8)


def load(name: str) -> ConditionedFilms:
    """The networks of a film. Raises as `load_checkpoint` does."""
    networks = load_checkpoint(FilmBase, name), load_checkpoint(FilmDetail, "film_detail")
    return ConditionedFilms(shipped_cascade(), *networks, load_checkpoint(Sharpener, "colonoscopy_sharpener"))
