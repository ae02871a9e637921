"""Training what the autoencoder adds to its components: joins between patches, and sharpness.

Beside L1 and an edge loss a judge of patches (PatchGAN, Isola et al., CVPR 2017) learns what they can't
ask for. Its gradient on the picture is kept at a share of theirs (VQGAN, Esser et al., CVPR 2021).
Latents carry noise, so that the decoder forgives what a sampler leaves.
"""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import l1_loss, leaky_relu, relu

from models.colonoscopy.training.diffusion import autoencoder_of, fresh_seed, scaled, turned
from models.colonoscopy.training.frames import SIZE, Views
from models.core.training import fit

NAME = "colonoscopy_autoencoder"
CROP = 128
BATCH = 4
RATE = 1e-3
NOISE = 0.4  # at most, of latents of unit size
ALONE = 0.5  # of the budget, before the judge has a say; it learns from half of that on
SHARE = 0.4  # of the judge in the gradient on the picture
FEATURES = 0.5  # weight of the difference between the judge's features


class PatchJudge(nn.Module):
    """Whether patches of 22 pixels are real: scores (B, 1, H / 4, W / 4) and the features on the way."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        widths = (3, width, 2 * width, 4 * width)
        strides = (2, 2, 1)
        self.convs = nn.ModuleList(
            nn.utils.parametrizations.spectral_norm(nn.Conv2d(a, b, 2 + stride, stride, padding=1))
            for (a, b), stride in zip(pairwise(widths), strides, strict=True)
        )
        self.last = nn.Conv2d(widths[-1], 1, 3, padding=1)

    def forward(self, frames: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Frames (B, 3, H, W)."""
        features = []
        for conv in self.convs:
            frames = leaky_relu(conv(frames), 0.2)
            features.append(frames)
        return self.last(frames), features


class RepairLosses:
    """The losses of a batch, and the judge with its own optimiser; its state goes into the run's."""

    def __init__(self) -> None:
        self.judge = PatchJudge()
        self.optimiser = torch.optim.Adam(self.judge.parameters(), lr=RATE, betas=(0.5, 0.9))

    def state_dict(self) -> dict[str, Any]:
        """The judge's weights and its optimiser."""
        return {"judge": self.judge.state_dict(), "optimiser": self.optimiser.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.judge.load_state_dict(state["judge"])
        self.optimiser.load_state_dict(state["optimiser"])

    def __call__(self, network: nn.Module, frames: Tensor, spent: float) -> dict[str, Tensor]:
        """frames: (B, 3, H, W) in -1..1."""
        with torch.no_grad():
            latents = network.encode(frames)  # type: ignore[operator]
            latents = latents + NOISE * torch.rand(len(frames), 1, 1, 1) * torch.randn_like(latents)
        drawn = network.decode(latents).float()  # type: ignore[operator]
        found = {"l1": l1_loss(drawn, frames), "edges": edge_loss(drawn, frames)}
        plain = found["l1"] + found["edges"]
        if spent > ALONE / 2:
            found["judge"] = self._teach_judge(frames, drawn.detach())
        if spent < ALONE:
            return {"loss": plain, **found}
        self.judge.requires_grad_(False)
        with torch.no_grad():
            _, real = self.judge(frames)
        scores, fake = self.judge(drawn)
        alike = torch.stack([l1_loss(a.float(), b.float()) for a, b in zip(fake, real, strict=True)]).sum()
        plain = plain + FEATURES * alike
        fooled = -scores.float().mean()
        of_plain, of_judge = (
            torch.autograd.grad(loss, drawn, retain_graph=True)[0].norm() for loss in (plain, fooled)
        )
        weight = (SHARE * of_plain / (of_judge + 1e-8)).clamp(max=1.0).detach()
        self.judge.requires_grad_(True)
        return {"loss": plain + weight * fooled, **found, "fooled": fooled, "alike": alike, "weight": weight}

    def _teach_judge(self, real: Tensor, drawn: Tensor) -> Tensor:
        """One step of the judge on hinge loss."""
        yes, no = self.judge(torch.cat([real, drawn]))[0].float().chunk(2)
        loss = relu(1 - yes).mean() + relu(1 + no).mean()
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return loss.detach()


def edge_loss(drawn: Tensor, wanted: Tensor) -> Tensor:
    """L1 between neighbouring differences, right and down: a blurred edge costs as much as a missing one."""
    error = drawn - wanted
    return error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()


def crops(views: Views, seed: int) -> Iterator[Tensor]:
    """Endless batches of random squares of CROP pixels, turned any way, cut anywhere."""
    frames, _ = views
    rng = np.random.default_rng(seed)
    while True:
        rows, at = rng.integers(len(frames), size=BATCH), rng.integers(SIZE - CROP + 1, size=(BATCH, 2))
        cut = [frames[i, y : y + CROP, x : x + CROP] for i, (y, x) in zip(rows, at, strict=True)]
        yield scaled(np.stack([turned(frame, int(rng.integers(8))) for frame in cut]))


def train_repair(views: Views, minutes: float) -> nn.Module:
    """Fit the components and train the repair for `minutes` in total; the averaged autoencoder."""
    losses = RepairLosses()
    network, done = fit(
        NAME,
        autoencoder_of(views),
        crops(views, fresh_seed()),
        losses,
        rate=RATE,
        minutes=minutes,
        beside={"judge": losses},
    )
    print(NAME, done, flush=True)
    return network
