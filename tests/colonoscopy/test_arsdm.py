"""The losses: who weighs what, that nothing weighs nothing, and that the refinement is heard."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from models.colonoscopy.synthesis.arsdm import (
    adaptive_weights,
    clean_estimate,
    denoising_loss,
    refinement_loss,
    schedule,
    structure_loss,
    v_of,
)
from models.colonoscopy.synthesis.cascade import BASE, BaseSdm
from models.colonoscopy.synthesis.training import BaseLosses, batches, small_frames
from models.colonoscopy.synthesis.whole_frames import TrainingFrames
from models.core import training

TINY = replace(BASE, width=32, multiples=(1, 1), blocks=1, attention=(2,), head=16, hidden=4)


def cover(share: float) -> torch.Tensor:
    """(1, 1, 10, 10) with the first rows on the polyp."""
    mask = torch.zeros(1, 1, 10, 10)
    mask[:, :, : round(10 * share)] = 1
    return mask


def test_a_small_polyp_weighs_more_than_what_is_around_it():
    weights = adaptive_weights(cover(0.1))
    assert weights[0, 0, 0, 0].item() == pytest.approx(0.9)
    assert weights[0, 0, 9, 0].item() == pytest.approx(0.1)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_mask_of_nothing_or_everything_weighs_evenly(share):
    assert torch.equal(adaptive_weights(cover(share)), torch.full((1, 1, 10, 10), 0.5))


def test_an_empty_mask_trains():
    predicted = torch.randn(1, 4, 10, 10, requires_grad=True)
    denoising_loss(predicted, torch.zeros(1, 4, 10, 10), adaptive_weights(cover(0))).backward()
    assert predicted.grad.abs().min() > 0


def test_the_adaptive_loss_asks_more_where_the_polyp_is():
    predicted = torch.ones(1, 4, 10, 10, requires_grad=True)
    denoising_loss(predicted, torch.zeros(1, 4, 10, 10), adaptive_weights(cover(0.2))).backward()
    ratio = predicted.grad[0, 0, 0, 0] / predicted.grad[0, 0, 9, 9]
    assert ratio.item() == pytest.approx(4)


def test_the_clean_estimate_is_exact_for_the_true_v():
    noises = schedule()
    clean, noise, times = torch.randn(3, 4, 8, 8), torch.randn(3, 4, 8, 8), torch.tensor([5, 500, 999])
    noisy = noises.add_noise(clean, noise, times)
    v = noises.get_velocity(clean, noise, times)
    kept = noises.alphas_cumprod[times]
    assert torch.allclose(clean_estimate(noisy, v, kept), clean, atol=1e-5)
    assert torch.allclose(v_of(noisy, clean, kept.view(-1, 1, 1, 1)), v, atol=1e-4)


def test_the_schedule_is_the_papers_and_ends_in_noise_alone():
    kept = schedule().alphas_cumprod
    betas = torch.linspace(0.0015**0.5, 0.0205**0.5, 1000, dtype=torch.float64) ** 2
    papers = torch.cumprod(1 - betas, 0).float()
    assert kept[-1] == 0 and papers[-1] > 0
    assert (kept - papers).abs().max() < 0.02


def test_structure_loss_is_small_where_right_and_grows_with_the_miss():
    mask = torch.zeros(2, 1, 64, 64)
    mask[:, :, 20:40, 20:40] = 1
    right = torch.stack([20 * (mask[0] - 0.5), 20 * (mask[1].roll(12, -1) - 0.5)])
    losses = structure_loss(right, mask)
    assert losses.shape == (2,)
    assert losses[0] < 0.01 < 0.5 < losses[1]


def test_the_refinement_has_a_gradient_and_the_segmenter_keeps_its_weights():
    segmenter = torch.nn.Conv2d(3, 1, 3, padding=1).requires_grad_(False)
    frames = torch.rand(2, 3, 32, 32, requires_grad=True)
    refinement_loss(frames, (torch.rand(2, 1, 32, 32) > 0.5).float(), segmenter, torch.ones(2)).backward()
    assert frames.grad.abs().sum() > 0
    assert segmenter.weight.grad is None


class Difference(torch.nn.Module):
    """A segmenter that takes red for polyp."""

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        return 4 * (frames[:, :1] - frames[:, 1:2])


@pytest.fixture(scope="module")
def batch():
    rng = np.random.default_rng(0)
    frames = np.repeat(np.repeat(rng.integers(0, 256, (4, 16, 16, 3), np.uint8), 16, 1), 16, 2)
    masks = np.zeros((4, 256, 256), bool)
    masks[:, 60:120, 80:150] = True
    known = TrainingFrames(frames, masks, np.ones_like(masks), np.arange(4))
    return next(batches(small_frames(known), 0, 4))


def test_the_refinement_moves_the_unet(batch):
    """With the denoising loss at no weight, what is left of the gradient comes through the segmenter."""
    torch.manual_seed(0)
    network = BaseSdm(TINY)
    found = BaseLosses(segment=Difference())(network, batch, 0.0)
    assert found["polyp"].requires_grad
    found["polyp"].backward()
    assert network.unet.out[2].weight.grad.abs().sum() > 0


def test_the_refinement_asks_for_the_polyp_where_it_is(batch):
    """A segmenter that is right about the estimate costs less than one that sees the polyp elsewhere."""
    clean, label, seen, look = batch
    clean = torch.cat([label.flip(1), torch.zeros_like(label[:, :1])], 1) * 2 - 1
    losses, found = BaseLosses(segment=Difference()), []
    for shift in (0, 12):
        torch.manual_seed(0)
        told = label.roll(shift, -1)

        class Right(torch.nn.Module):
            def forward(self, noisy, times, *_):
                kept = losses.schedule.alphas_cumprod[times].view(-1, 1, 1, 1)
                return (kept.sqrt() * noisy - clean) / (1 - kept).sqrt()

        found.append(float(losses(Right(), (clean, told, seen, look), 0.0)["polyp"]))
    assert found[0] < 0.7 * found[1]


@pytest.mark.parametrize("options", [{}, {"adaptive": True}])
def test_one_batch_is_learnt_by_heart(batch, options, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "RUNS", tmp_path)
    monkeypatch.setattr(training, "WARM_UP", 1)
    torch.manual_seed(0)
    losses, log = BaseLosses(**options), []

    def noted(network, batch, spent):
        torch.manual_seed(1)  # the same noise and times
        found = losses(network, batch, spent)
        log.append(found["loss"].item())
        return found

    training.fit("tiny", BaseSdm(TINY), lambda seed: itertools.repeat(batch), noted, rate=8e-3, steps=25)
    assert log[-1] < 0.6 * log[0]
