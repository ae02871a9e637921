"""Training the diffusion models: SDM, SDM with the adaptive loss, ArSDM, and the LDM baseline."""

from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from models.colonoscopy.data.crops import Views
from models.colonoscopy.synthesis.arsdm import (
    STEPS,
    adaptive_weights,
    clean_estimate,
    denoising_loss,
    refinement_loss,
    schedule,
)
from models.colonoscopy.synthesis.autoencoder import Autoencoder, label_maps
from models.colonoscopy.synthesis.latent_sdm import LatentSdm
from models.colonoscopy.synthesis.sdm import SdmConfig
from models.core.training import RUNS, fit

BATCH = 16
RATE = 4e-4
EXTRA = 240  # steps of each loss after the base
FURTHER_RATE = 4e-4
REFINEMENT = 0.015  # weight of the segmenter's loss; at 0.05 polyps got a grid on them
SILENT = 0.1  # of the images come without their mask, so that guidance has something to compare with

Batch = tuple[Tensor, Tensor]
Network = TypeVar("Network", bound=nn.Module)


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

    adaptive: weigh places by the polyp's share. segment: a frozen segmenter to refine against, which takes
    frames (B, 3, S, S), 0 to 1, to logits (B, 1, S, S); None for no refinement.
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
        heard = (torch.rand(count) >= SILENT).float()
        predicted = network(noisy, times, label_maps(masks) * heard.view(-1, 1, 1, 1))
        weights = None
        if self.adaptive:
            weights = adaptive_weights(
                adaptive_avg_pool2d(masks[:, None], (latents.shape[2], latents.shape[3]))
            )
        loss = denoising_loss(predicted, wanted, weights)
        found = {"v": denoising_loss(predicted.detach(), wanted)}
        if self.segment is not None:
            # Early estimates show no polyp yet, late ones show that of the noisy image.
            rows = torch.arange(count)[count // 4 : 3 * count // 4 : 2]
            kept = self.schedule.alphas_cumprod[times[rows]]
            clean = clean_estimate(noisy[rows], predicted[rows].float(), kept)
            drawn = (self.autoencoder.decode(clean).float().clamp(-1, 1) + 1) / 2
            found["polyp"] = refinement_loss(drawn, masks[rows, None], self.segment, kept * heard[rows])
            loss = loss + REFINEMENT * found["polyp"]
        return {"loss": loss, **found}


def autoencoder_of(views: Views) -> Autoencoder:
    """An autoencoder with the components of the training views, not repaired yet."""
    frames = views[0][::7]
    return Autoencoder().fit_components(scaled(frames))


@torch.no_grad()
def whole_latents(autoencoder: Autoencoder, views: Views) -> Tensor:
    """Latents of every second training view, in all eight ways that each can lie."""
    parts = [scaled(views[0][start : start + 64 : 2]) for start in range(0, len(views[0]), 64)]
    ways = [(turn, flip) for turn in range(4) for flip in (False, True)]
    return torch.cat(
        [
            autoencoder.encode((frames.flip(-1) if flip else frames).rot90(turn, (-2, -1)))
            for frames in parts
            for turn, flip in ways
        ]
    )


def untrained(views: Views, autoencoder: Autoencoder, config: SdmConfig) -> LatentSdm:
    """A network that knows the power of the training latents, and nothing yet of colonoscopy."""
    return LatentSdm(config).fit_power(whole_latents(autoencoder, views))


def train_base(
    views: Views, autoencoder: Autoencoder, config: SdmConfig, run: str, minutes: float
) -> nn.Module:
    """SDM's loss from nothing, in runs/RUN, for `minutes` in total; the averaged network."""
    network, done = fit(
        run,
        untrained(views, autoencoder, config),
        batches(views, fresh_seed()),
        DiffusionLosses(autoencoder),
        rate=RATE,
        minutes=minutes,
    )
    print(run, done, flush=True)
    return network


def train_further(views: Views, losses: DiffusionLosses, start: LatentSdm, run: str) -> nn.Module:
    """EXTRA steps from a trained network, with SDM's loss or ArSDM's, in runs/RUN; the averaged network."""
    network, done = fit(run, start, batches(views, seed=1), losses, rate=FURTHER_RATE, steps=EXTRA)
    print(run, done, flush=True)
    return network


def averaged(run: str, network: Network) -> Network:
    """Fill a network with the average of a run. Raises FileNotFoundError where there was none."""
    saved = torch.load(RUNS / run / "state.pt", map_location="cpu", weights_only=True)["average"]
    network.load_state_dict(
        {key.removeprefix("module."): v for key, v in saved.items() if key != "n_averaged"}
    )
    return network


def fresh_seed() -> int:
    """Another order of the data after each resumption."""
    return int.from_bytes(np.random.default_rng().bytes(4))
