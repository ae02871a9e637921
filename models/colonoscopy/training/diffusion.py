"""Training the diffusion models: SDM, SDM with the adaptive loss, ArSDM, and the LDM baseline."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from models.colonoscopy.arsdm import (
    STEPS,
    adaptive_weights,
    denoising_loss,
    schedule,
)
from models.colonoscopy.autoencoder import Autoencoder, label_maps
from models.colonoscopy.sdm import SHIPPED, SdmUNet
from models.colonoscopy.training.frames import Views, training_views
from models.core.training import RUNS, fit

BATCH = 16
RATE = 4e-4
SILENT = 0.1  # of the images come without their mask, so that guidance has something to compare with

Batch = tuple[Tensor, Tensor]


def batches(views: Views, seed: int, batch: int = BATCH) -> Iterator[Batch]:
    """Endless frames (B, 3, S, S) in -1..1 with masks (B, S, S), each lying in one of eight ways."""
    frames, masks = views
    rng = np.random.default_rng(seed)
    while True:
        shown, drawn = [], []
        for row in rng.integers(len(frames), size=batch):
            turn = int(rng.integers(8))
            shown.append(turned(frames[row], turn))
            drawn.append(turned(masks[row], turn))
        yield scaled(np.stack(shown)), torch.from_numpy(np.stack(drawn)).float()


def turned(image: np.ndarray, turn: int) -> np.ndarray:
    """A square image (S, S, ...) in one of the eight ways that it can lie, 0 to 7."""
    return np.rot90(image[:, ::-1] if turn >= 4 else image, turn % 4)


def scaled(frames: np.ndarray) -> Tensor:
    """uint8 frames (B, H, W, 3) as (B, 3, H, W) in -1..1."""
    return torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float() / 127.5 - 1


class DiffusionLosses:
    """The loss of a batch at random times.

    adaptive: weigh places by the polyp's share. segment: a frozen segmenter to refine against, or None.
    """

    def __init__(
        self,
        autoencoder: Autoencoder,
        *,
        adaptive: bool = False,
        segment: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.autoencoder = autoencoder.eval().requires_grad_(False)
        self.adaptive, self.segment = adaptive, segment
        self.schedule = schedule()

    def __call__(self, network: nn.Module, batch: Batch, spent: float) -> dict[str, Tensor]:
        """batch: frames (B, 3, S, S) in -1..1 and masks (B, S, S)."""
        frames, masks = batch
        latents = self.autoencoder.encode(frames)
        count = len(latents)
        # One time from each of `count` equal parts: less luck in a batch's loss.
        times = ((torch.arange(count) + torch.rand(count)) / count * STEPS).long()
        noise = torch.randn_like(latents)
        noisy = self.schedule.add_noise(latents, noise, times)
        wanted = self.schedule.get_velocity(latents, noise, times)
        label = label_maps(masks) * (torch.rand(count, 1, 1, 1) >= SILENT)
        predicted = network(noisy, times, label)
        weights = None
        if self.adaptive:
            weights = adaptive_weights(
                adaptive_avg_pool2d(masks[:, None], (latents.shape[2], latents.shape[3]))
            )
        loss = denoising_loss(predicted, wanted, weights)
        return {"loss": loss, "v": denoising_loss(predicted.detach(), wanted)}


def autoencoder_of(views: Views) -> Autoencoder:
    """An autoencoder with the components of the training views, not repaired yet."""
    frames = views[0][::7]
    return Autoencoder().fit_components(scaled(frames))


def train_sdm(data: Path, minutes: float, out: Path | None = None) -> Path:
    """Train SDM for `minutes` in total."""
    views = training_views(data)
    seed = int.from_bytes(np.random.default_rng().bytes(4))  # another order after each resumption
    network, done = fit(
        "colonoscopy_sdm",
        SdmUNet(SHIPPED),
        batches(views, seed),
        DiffusionLosses(autoencoder_of(views)),
        rate=RATE,
        minutes=minutes,
    )
    out = out or RUNS / "colonoscopy_sdm" / "checkpoint"
    network.half().save_pretrained(out)  # type: ignore[operator]
    print(done, flush=True)
    return out
