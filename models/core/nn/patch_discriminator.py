"""A judge of patches: an adversary that learns what a loss by pixel can't ask for.

PatchGAN (Isola et al., CVPR 2017) with hinge losses; its gradient on the
picture is kept at a share of the other losses' (VQGAN, Esser et al., CVPR 2021).
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.nn.functional import l1_loss, leaky_relu, relu


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


class Adversary:
    """A judge with an optimiser of its own; `models.core.training.fit` saves it beside the network."""

    def __init__(self, rate: float) -> None:
        self.judge, self.rate = PatchJudge(), rate
        self.optimiser: Any = torch.optim.Adam(self.judge.parameters(), lr=rate, betas=(0.5, 0.9))
        self._taught: nn.Module = self.judge  # as it learns, wrapped where several processes do

    def prepare(self, accelerator: Accelerator) -> None:
        """Go where the training is."""
        self._taught, self.optimiser = accelerator.prepare(self.judge, self.optimiser)
        self.judge = accelerator.unwrap_model(self._taught)

    def state_dict(self) -> dict[str, Any]:
        """The judge's weights and its optimiser."""
        return {"judge": self.judge.state_dict(), "optimiser": self.optimiser.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from `state_dict`."""
        self.judge.load_state_dict(state["judge"])
        self.optimiser.load_state_dict(state["optimiser"])
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate

    def teach(self, real: Tensor, drawn: Tensor) -> Tensor:
        """One step of the judge; its hinge loss on frames (B, 3, H, W)."""
        yes, no = self._taught(torch.cat([real, drawn]))[0].float().chunk(2)
        loss = relu(1 - yes).mean() + relu(1 + no).mean()
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        return loss.detach()

    def asks(
        self, real: Tensor, drawn: Tensor, plain: Tensor, share: float, features: float
    ) -> dict[str, Tensor]:
        """What the judge would have otherwise: "loss" to add to `plain`, and its parts.

        drawn: frames (B, 3, H, W) that `plain`, the other losses together, was made from. share: of the
        judge in the gradient on the picture. features: weight of the difference between the judge's features.
        """
        self.judge.requires_grad_(False)
        with torch.no_grad():
            _, true = self.judge(real)
        scores, fake = self.judge(drawn)
        alike = torch.stack([l1_loss(a.float(), b.float()) for a, b in zip(fake, true, strict=True)]).sum()
        fooled = -scores.float().mean()
        of_plain, of_judge = (
            torch.autograd.grad(loss, drawn, retain_graph=True)[0].norm()
            for loss in (plain + features * alike, fooled)
        )
        weight = (share * of_plain / (of_judge + 1e-8)).clamp(max=1.0).detach()
        self.judge.requires_grad_(True)
        return {
            "loss": features * alike + weight * fooled,
            "fooled": fooled,
            "alike": alike,
            "weight": weight,
        }


def edge_loss(drawn: Tensor, wanted: Tensor, weight: Tensor | None = None) -> Tensor:
    """L1 between neighbouring differences, right and down: a blurred edge costs as much as a missing one.

    weight: (B, 1, H, W), what each place counts, if not the same.
    """
    error = drawn - wanted
    across, down = error.diff(dim=-1).abs(), error.diff(dim=-2).abs()
    if weight is not None:
        across, down = across * weight[..., 1:], down * weight[..., 1:, :]
    return across.mean() + down.mean()
