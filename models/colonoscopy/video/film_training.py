"""Training the film under a mask on made clips: the video diffusion, then the detail."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, l1_loss

from models.colonoscopy.synthesis.cascade import SMALL, cosine_schedule
from models.colonoscopy.synthesis.picture_losses import PictureLosses
from models.colonoscopy.synthesis.super_resolution import MIDDLE
from models.colonoscopy.synthesis.training import noised
from models.colonoscopy.synthesis.whole_frames import TrainingFrames, training_frames
from models.colonoscopy.video.base import CLIP
from models.colonoscopy.video.camera import Field
from models.colonoscopy.video.clip_tensors import as_clips
from models.colonoscopy.video.clips import Clip, made_clips
from models.colonoscopy.video.conditions import carried, moving_noise, noise_field
from models.colonoscopy.video.film_networks import Condition, FilmBase, FilmDetail, likely
from models.core.training import first_alone, fit, save_half

BASE_BATCH, DETAIL_BATCH = 4, 2  # clips a step
BASE_RATE, DETAIL_RATE = 1e-3, 5e-4
UNSURE = 0.05  # of the noise on carried frames, in their units: in a film they were drawn, not seen
ROUGH = 0.08  # of the noise on small frames while the detail is learnt
FORGETFUL = 0.4  # share of the clips of which something more is unknown
WORST = 50.0  # of a pixel's loss: an edge that moved otherwise than its map says
STEADY = 1.0  # weight of the difference between the changes from one frame to the next

Batch = tuple[Tensor, Condition]


def _told(clip: Clip, part: slice, rng: np.random.Generator) -> tuple[Tensor, Condition]:
    """Some frames of a clip (1, T, 3, S, S) in -1..1, and their condition."""
    frames = as_clips(torch.from_numpy(clip.frames[part])[None]).transpose(1, 2)
    given = carried(clip.frames[0], clip.lens, clip.masks[part], clip.came[part], clip.light[part])
    return frames, _forgotten(given, clip.came[part], rng) if rng.random() < FORGETFUL else given


def _forgotten(given: Condition, came: Field, rng: np.random.Generator) -> Condition:
    """The same with an ellipse of the first frame unknown, as where a polyp moves away from."""
    middle, radii = rng.uniform(-0.8, 0.8, 2), rng.uniform(0.1, 0.45, 2)
    hole = ((((came - middle) / radii) ** 2).sum(-1) < 1)[None, :, None]
    wrong = given.carried.roll((int(rng.integers(8, 40)), int(rng.integers(8, 40))), (-1, -2))
    hidden = torch.from_numpy(hole)
    return Condition(torch.where(hidden, wrong, given.carried), given.known * ~hidden, given.polyp)


def _joined(conditions: list[Condition]) -> Condition:
    return Condition(
        torch.cat([one.carried for one in conditions]),
        torch.cat([one.known for one in conditions]),
        torch.cat([one.polyp for one in conditions]),
    )


def base_batches(stills: TrainingFrames, seed: int) -> Iterator[Batch]:
    """Endless small clips (B, CLIP, 3, SMALL, SMALL), and their condition."""
    clips, rng = made_clips(stills, CLIP, MIDDLE, seed), np.random.default_rng(seed)
    while True:
        told = [_told(next(clips), slice(None), rng) for _ in range(BASE_BATCH)]
        frames = torch.cat([adaptive_avg_pool2d(one[0], SMALL)[None] for one, _ in told])
        yield frames, _joined([given.at(SMALL) for _, given in told])


class FilmBaseLosses(nn.Module):
    """The loss of clips at random times, of the clean clip in units of what `likely` leaves open.

    So what came into view counts as much as what was known, and every time as much as another: where little
    noise is left nobody can tell it, and a loss of v would be made of that.
    """

    def __init__(self) -> None:
        super().__init__()
        self.schedule = cosine_schedule()

    def forward(self, network: nn.Module, batch: Batch, spent: float) -> dict[str, Tensor]:
        """batch: see `base_batches`."""
        clean, given = batch
        noisy, times, wanted = noised(self.schedule, clean)
        unsure = UNSURE * torch.rand(len(clean), 1, 1, 1, 1, device=clean.device) ** 2
        given = Condition(given.carried + unsure * torch.randn_like(given.carried), given.known, given.polyp)
        kept = self.schedule.alphas_cumprod.to(noisy.device)[times].view(-1, 1, 1, 1, 1)
        _, variance = likely(noisy, kept, given)
        error = (network(noisy, times, given).float() - wanted).square()
        return {"loss": (error * (1 - kept) / variance).clamp(max=WORST).mean()}


DetailBatch = tuple[Tensor, Condition, Tensor]


def detail_batches(stills: TrainingFrames, seed: int) -> Iterator[DetailBatch]:
    """Endless pairs of neighbouring frames (B, 2, 3, MIDDLE, MIDDLE), their condition and their noise."""
    clips, rng = made_clips(stills, CLIP, MIDDLE, seed), np.random.default_rng(seed)
    while True:
        told = []
        for _ in range(DETAIL_BATCH):
            clip, at = next(clips), int(rng.integers(1, CLIP - 1))
            part = slice(at, at + 2)
            frames, given = _told(clip, part, rng)
            noise = moving_noise(noise_field(int(rng.integers(2**31))), clip.came[part])
            told.append((frames, given, noise))
        yield (
            torch.cat([one for one, _, _ in told]),
            _joined([given for _, given, _ in told]),
            torch.cat([noise for _, _, noise in told]),
        )


class FilmDetailLosses(PictureLosses):
    """Those of restored pictures, and that they change from frame to frame as the film does."""

    def __init__(self) -> None:
        super().__init__(DETAIL_RATE, 0.8)

    def __call__(self, network: nn.Module, batch: DetailBatch, spent: float) -> dict[str, Tensor]:
        """batch: see `detail_batches`."""
        wanted, given, noise = batch
        small = adaptive_avg_pool2d(wanted.flatten(0, 1), SMALL).unflatten(0, wanted.shape[:2])
        rough = ROUGH * torch.rand(len(wanted), 1, 1, 1, 1, device=wanted.device) ** 2
        drawn = network(small + rough * torch.randn_like(small), given, noise).float()
        found = self.losses(drawn.flatten(0, 1), wanted.flatten(0, 1), spent)
        steady = l1_loss(drawn.diff(dim=1), wanted.diff(dim=1))
        return {**found, "steady": steady, "loss": found["loss"] + STEADY * steady}


KINDS = ("film_base", "film_detail")


def train(name: str, data: Path, minutes: float, out: Path) -> None:
    """One of KINDS from nothing, in runs/NAME, for `minutes` in total; the average goes to `out` in fp16."""
    with first_alone():
        stills = training_frames(data)
    if name == "film_base":
        drawn = partial(base_batches, stills)
        network, done = fit(name, FilmBase(), drawn, FilmBaseLosses(), rate=BASE_RATE, minutes=minutes)
    else:
        losses, drawn_pairs = FilmDetailLosses(), partial(detail_batches, stills)
        network, done = fit(
            name,
            FilmDetail(),
            drawn_pairs,
            losses,
            rate=losses.rate,
            minutes=minutes,
            beside={"judge": losses},
        )
    print(name, done, flush=True)
    save_half(network, out)
