"""The cascade on small random networks: what it is told is heard, its work is shown, its trainings learn."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.colonoscopy.synthesis import picture_losses, sharpener_training
from models.colonoscopy.synthesis import training as base_training
from models.colonoscopy.synthesis.autoencoder import Autoencoder, AutoencoderConfig
from models.colonoscopy.synthesis.cascade import ANY, BASE, BaseSdm
from models.colonoscopy.synthesis.generator import Cascade
from models.colonoscopy.synthesis.latent_detail import LatentDetail
from models.colonoscopy.synthesis.latent_diffusion import LDM, LatentDiffusion
from models.colonoscopy.synthesis.super_resolution import Sharpener, SharpenerConfig, enlarged
from models.colonoscopy.synthesis.whole_frames import TrainingFrames
from models.core.errors import UserError
from models.core.progress import Progress

MASK = np.zeros((100, 120), bool)
MASK[20:60, 30:80] = True


def tiny():
    """The base and the detail with few channels, woken from their zero initialisation."""
    torch.manual_seed(0)
    unet = {"width": 32, "multiples": (1, 1), "blocks": 1, "attention": (2,), "head": 32, "hidden": 4}
    frames = torch.rand(4, 3, 256, 256) * 2 - 1
    networks = (
        BaseSdm(replace(BASE, **unet)),
        LatentDiffusion(replace(LDM, **unet)),
        Autoencoder(AutoencoderConfig(widths=(8, 8, 8), blocks=1)).fit_components(frames),
    )
    with torch.no_grad():
        for network in networks:
            for parameter in network.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.01)
    return networks[0], LatentDetail(*networks[1:])


@pytest.fixture(scope="module")
def generator():
    return Cascade(*tiny())


@pytest.fixture(scope="module")
def training():
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 255, (6, 256, 256, 3)).astype(np.uint8)
    masks = np.zeros((6, 256, 256), bool)
    masks[:, 60:140, 80:180] = True
    return TrainingFrames(frames, masks, np.ones_like(masks), np.array([0, 1, 2, 3, 0, 1]))


def frames_of(generator, mask=MASK, **options):
    *_, last = generator(mask, steps=3, **options)
    return last


@pytest.mark.parametrize("sampler", ["dpm", "ddim"])
def test_the_same_seed_draws_the_same_frame(generator, sampler):
    first, again = (frames_of(generator, seed=7, sampler=sampler) for _ in range(2))
    assert first[0].shape == (256, 256, 3) and first[0].dtype == np.uint8
    assert np.array_equal(first[0], again[0])
    assert not np.array_equal(first[0], frames_of(generator, seed=8, sampler=sampler)[0])


def test_frame_i_is_the_first_of_seed_plus_i(generator):
    both = frames_of(generator, seed=3, count=2)
    assert np.array_equal(both[1], frames_of(generator, seed=4)[0])


def test_mask_look_and_guidance_are_heard(generator):
    plain = frames_of(generator)[0]
    for other in ({"mask": ~MASK}, {"look": "bkai"}, {"guidance": 4.0}):
        assert not np.array_equal(plain, frames_of(generator, **other)[0]), other


def test_the_first_preview_comes_early_and_fractions_grow(generator):
    *steps, last = generator(MASK, steps=10, count=2)
    assert all(isinstance(step, Progress) for step in steps)
    fractions = [step.fraction for step in steps]
    assert fractions == sorted(fractions) and fractions[-1] == 1 and fractions[0] < 0.1
    assert np.array_equal(steps[-1].preview.frame, last[1])


@pytest.mark.parametrize(
    ("asked", "key"),
    [
        ({"steps": 0}, "steps_range"),
        ({"steps": 1001}, "steps_range"),
        ({"sampler": "euler"}, "sampler_unknown"),
        ({"look": "kvasir_test"}, "look_unknown"),
    ],
)
def test_what_is_asked_wrongly_is_refused(generator, asked, key):
    with pytest.raises(UserError, match=key):
        next(generator(MASK, **asked))


def test_networks_keep_their_configuration(tmp_path):
    base, detail = tiny()
    for network in (base, detail.unet, detail.autoencoder):
        network.half().save_pretrained(tmp_path / type(network).__name__)
        again = type(network).from_pretrained(tmp_path / type(network).__name__)
        assert all(torch.equal(a, b) for a, b in zip(network.parameters(), again.parameters(), strict=True))


def test_the_linear_guess_takes_noise_out_and_leaves_a_clean_frame():
    """Frames of three patterns with a little texture: the fitted Gaussian knows them, another doesn't."""
    torch.manual_seed(0)
    patterns = torch.nn.functional.interpolate(torch.randn(3, 3, 4, 4), size=(32, 32), mode="bilinear")
    shares = torch.rand(300, 3)
    frames = 0.3 + torch.einsum("nk,kchw->nchw", shares, patterns) + 0.02 * torch.randn(300, 3, 32, 32)
    network = BaseSdm(replace(BASE, width=32, multiples=(1, 1), blocks=1, attention=(2,), hidden=4))
    plain, fitted = network.kept.clone(), network.fit_gaussian(frames)
    kept = torch.full((20, 1, 1, 1), 0.5)
    clean = 0.3 + torch.einsum("nk,kchw->nchw", torch.rand(20, 3), patterns)
    noisy = kept.sqrt() * clean + (1 - kept).sqrt() * torch.randn_like(clean)
    error = (fitted.linear_guess(noisy, kept) - clean).square().mean().sqrt()
    naive = (noisy / kept.sqrt() - clean).square().mean().sqrt()
    assert error < 0.1 * naive
    almost = torch.full((20, 1, 1, 1), 0.99999)
    assert (fitted.linear_guess(clean, almost) - clean).abs().max() < 0.05
    assert torch.equal(plain, network.kept)
    v = network(noisy, torch.full((20,), 500), torch.zeros(20, 2, 32, 32), torch.full((20,), ANY))
    alpha = network.kept[500]
    assert torch.allclose(
        alpha.sqrt() * noisy - (1 - alpha).sqrt() * v,
        fitted.linear_guess(noisy, alpha.expand(20).view(-1, 1, 1, 1)),
        atol=1e-4,
    ), "untrained, the network says what the Gaussian says"


def test_small_frames_are_means_and_labels_are_shares(training):
    images, labels, seen, looks = base_training.small_frames(training)
    assert images.shape == (6, 3, 32, 32) and labels.shape == (6, 2, 32, 32) and seen.min() == 1
    block = training.frames[0, :8, :8].astype(float).mean((0, 1)) / 127.5 - 1
    assert np.allclose(images[0, :, 0, 0], block, atol=1e-5)
    assert torch.allclose(labels.sum(1), torch.ones(6, 32, 32)) and looks.tolist() == [0, 1, 2, 3, 0, 1]


def test_the_base_learns_a_batch_by_heart(training):
    network, losses = tiny()[0], base_training.BaseLosses()
    batch = next(base_training.batches(base_training.small_frames(training), 0, batch=2))
    learnt(network, losses, batch)


def detailed(detail, small, seed=0, mask=None, **more):
    """The last of what the second stage shows."""
    polyp = torch.zeros(1, 256, 256) if mask is None else mask
    *_, (share, frame) = detail(small, polyp, torch.Generator().manual_seed(seed), **more)
    assert share == 1.0 and frame.shape == (1, 3, 256, 256)
    return frame


@torch.no_grad()
def test_the_detail_hears_the_small_frame_the_mask_and_the_noise():
    detail, small = tiny()[1], torch.rand(1, 3, 32, 32) - 0.5
    mask = torch.zeros(1, 256, 256)
    mask[:, 60:140, 80:180] = 1
    first = detailed(detail, small)
    assert torch.equal(first, detailed(detail, small))
    assert not torch.equal(first, detailed(detail, small, seed=1))
    assert not torch.equal(first, detailed(detail, small, mask=mask))
    assert not torch.equal(first, detailed(detail, -small))
    assert not torch.equal(
        detailed(detail, small, mask=mask), detailed(detail, small, mask=mask, opposite=1 - mask)
    )


@torch.no_grad()
def test_what_is_known_stays_around_a_hole():
    detail = tiny()[1]
    frame, hole = torch.rand(1, 3, 256, 256) - 0.5, torch.zeros(1, 1, 256, 256)
    hole[..., 96:160, 96:160] = 1
    again = detail.autoencoder.decode(detail.autoencoder.encode(frame))
    drawn = detailed(detail, torch.zeros(1, 3, 32, 32), known=(frame, hole))
    gone = (drawn - again).abs().amax(1)[0]
    assert gone[:64].max() < 2e-3 and gone[:, 192:].max() < 2e-3  # where no pixel of the hole reaches
    assert gone[96:160, 96:160].mean() > 0.05


def learnt(network, losses, batch, steps=15):
    """The loss of the same noise falls."""
    optimiser = torch.optim.Adam(network.parameters(), lr=3e-3)
    values = []
    for _ in range(steps):
        torch.manual_seed(1)
        loss = losses(network, batch, 0.0)["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        values.append(loss.item())
    assert values[-1] < 0.7 * values[0]
    assert all(p.grad is not None for p in network.parameters())


def test_what_is_not_seen_is_not_learnt(training):
    clean, label, seen, look = next(base_training.batches(base_training.small_frames(training), 0, batch=4))
    network = tiny()[0]
    network.zero_grad()
    base_training.BaseLosses()(network, (clean, label, torch.zeros_like(seen), look), 0.0)["loss"].backward()
    assert all(p.grad is None or not p.grad.any() for p in network.parameters())


def test_the_sharpener_begins_as_bicubic_and_learns(training, monkeypatch):
    small, wanted = next(sharpener_training.crops(training, 0))
    network = Sharpener(SharpenerConfig(width=8, blocks=1))
    assert torch.equal(network(small), enlarged(small, 2)) and wanted.shape[-1] == 96
    monkeypatch.setattr(picture_losses.PerceptualLoss, "load_vgg16", lambda self: self)
    losses = sharpener_training.SharpenerLosses()
    for spent in (0.0, 0.2, 0.9):
        network.zero_grad()
        losses(network, (small, wanted), spent)["loss"].backward()
        assert network.out.weight.grad.abs().sum() > 0


def test_any_look_is_a_look_of_its_own():
    assert ANY == 4 and tiny()[0].look.weight.shape[0] == 5
