"""PVDM as it ships: planes of LDM's latents, what a clip before foretells, training, films without a seam."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch

from models.colonoscopy.synthesis.arsdm import clean_estimate
from models.colonoscopy.synthesis.autoencoder import Autoencoder, AutoencoderConfig
from models.colonoscopy.synthesis.latent_diffusion import LDM, LatentDiffusion
from models.colonoscopy.video import pvdm_training
from models.colonoscopy.video.base import FilmFrame, FilmOrder
from models.colonoscopy.video.projected import (
    GRID,
    OF_LATENTS,
    OF_PLANES,
    PlaneDiffusion,
    ProjectedAutoencoder,
    ending,
)
from models.colonoscopy.video.pvdm_autoencoder import separate
from models.colonoscopy.video.pvdm_pipeline import ProjectedFilms
from models.core.progress import Progress
from tests.core.trainers import TINY_PLANES, TINY_PROJECTION

ORDER = FilmOrder(np.ones((8, 8), bool), seconds=3.0, seed=3, steps=2)
TOKENS = OF_LATENTS.tokens
CLIPS = (2, OF_LATENTS.given, GRID, GRID, GRID)


def loud(network: torch.nn.Module) -> torch.nn.Module:
    """A network whose zeroed layers say something."""
    with torch.no_grad():
        for parameter in network.parameters():
            if not parameter.any():
                parameter.normal_(0, 0.05)
    return network


def of_planes() -> PlaneDiffusion:
    torch.manual_seed(0)
    network = PlaneDiffusion(TINY_PLANES)
    shape = (40, TINY_PLANES.channels, TOKENS)
    before = torch.randn(shape)
    return network.fit_power(before, 0.8 * before + 0.6 * torch.randn(shape) + 1)


def test_what_ships_fits_its_files():
    with torch.device("meta"):
        networks = ProjectedAutoencoder(OF_LATENTS), PlaneDiffusion(OF_PLANES)
    for network in networks:
        assert 2 * sum(value.numel() for value in network.state_dict().values()) < 2**24 - 2**16


def test_untrained_planes_say_what_drifts_along_one_axis_and_no_more():
    """What three planes can say exactly comes back; what moves across comes back blurred."""
    network = ProjectedAutoencoder(TINY_PROJECTION).eval()
    ramp = torch.cos(torch.pi / GRID * (torch.arange(GRID) + 0.5))
    torch.manual_seed(0)
    image = torch.randn(2, OF_LATENTS.given, 1, GRID, GRID)
    drifting = image + ramp.view(-1, 1, 1) * torch.randn_like(image)
    assert torch.allclose(network(drifting), drifting, atol=1e-4)
    rising = torch.randn(2, OF_LATENTS.given, GRID, 1, GRID).expand(CLIPS)
    assert torch.allclose(network(rising), rising, atol=1e-4)
    noise = torch.randn(CLIPS)
    assert (network(noise) - noise).square().mean() > 0.5
    row = network.encode(drifting)
    assert row.shape == (2, OF_LATENTS.channels, TOKENS)
    mean = separate(row, GRID, GRID)[0][:, : OF_LATENTS.given]
    assert torch.allclose(mean, drifting.mean(2), atol=1e-4)


@pytest.mark.parametrize("name", ["projection", "planes"])
def test_every_weight_hears_of_the_loss_and_comes_back_from_its_folder(name, tmp_path):
    torch.manual_seed(0)
    if name == "projection":
        network, given = ProjectedAutoencoder(TINY_PROJECTION), (torch.randn(CLIPS),)
    else:
        row = torch.randn(2, TINY_PLANES.channels, TOKENS)
        network, given = of_planes(), (row, torch.tensor([10, 900]), row + 1, torch.tensor([0.0, 1.0]))
    answer = loud(network)(*given)
    assert answer.shape == given[0].shape
    (answer * torch.randn_like(answer)).sum().backward()
    silent = [key for key, value in network.named_parameters() if value.grad is None or not value.grad.any()]
    assert not silent
    network.eval().save_pretrained(tmp_path)
    again = type(network).from_pretrained(tmp_path).eval()
    assert torch.equal(network(*given), again(*given))


def test_the_filter_knows_the_clip_before():
    """Under much noise the estimate is what is expected: the mean, or what the clip before foretells."""
    network, torch_rows = of_planes().eval(), (3, TINY_PLANES.channels, TOKENS)
    before = torch.randn(torch_rows)
    clean = 0.8 * before + 1
    noise, kept = torch.randn(torch_rows), torch.full((3,), 1e-6)
    alone = network.linear_guess(noise, kept, before, torch.zeros(3))
    told = network.linear_guess(noise, kept, before, torch.ones(3))
    assert (alone - 1).abs().mean() < 0.2
    assert (told - clean).abs().mean() < 0.5 * (alone - clean).abs().mean()
    nearly = torch.full((3,), 1 - 1e-5)
    assert torch.allclose(network.linear_guess(clean, nearly, before, torch.ones(3)), clean, atol=0.01)
    times = torch.tensor([999, 500, 10])
    kept = network.kept[times]
    noisy = kept.sqrt().view(-1, 1, 1) * clean + (1 - kept).sqrt().view(-1, 1, 1) * noise
    found = clean_estimate(noisy, network(noisy, times, before, torch.ones(3)), kept)
    guess = network.linear_guess(noisy, kept, before, torch.ones(3))
    assert torch.allclose(found[1:], guess[1:], atol=1e-3)  # untrained, the network adds nothing


def test_it_begins_as_ldm_does_with_stills():
    """The plane of the image is drawn as a still is, before the planes have heard of one another."""
    torch.manual_seed(0)
    frames = LatentDiffusion(LDM).eval()
    loud(frames)
    network = PlaneDiffusion(OF_PLANES).begin_as(frames).eval()
    row, times = torch.randn(1, OF_PLANES.channels, TOKENS), torch.tensor([400])
    told = torch.zeros(1)
    kept = network.kept[times]
    guess = network.linear_guess(row, kept, row, told)
    image, seen = (one[:, :32, : GRID * GRID].unflatten(2, (GRID, GRID)) for one in (row, guess))
    lacks = frames.unet(torch.cat([image, seen], 1), times, torch.zeros(1, LDM.labels, GRID, GRID))
    v = (kept.sqrt() * row - guess) / (1 - kept).sqrt()
    found = (network(row, times, row, told) - v)[:, :32, : GRID * GRID].unflatten(2, (GRID, GRID))
    assert torch.allclose(found, lacks, atol=1e-4) and lacks.std() > 1e-3


def test_clips_are_cut_forth_and_back():
    times = torch.arange(32.0).view(1, 32, 1, 1, 1).expand(5, 32, 2, 3, 3)
    steps = set()
    drawn = pvdm_training.clips(times, 0)
    for _ in range(10):
        clips = next(drawn)
        assert clips.shape == (2, 2, 16, 3, 3)
        steps |= set((clips[:, 0, 1, 0, 0] - clips[:, 0, 0, 0, 0]).tolist())
    assert steps == {1.0, -1.0}


def test_planes_come_with_those_before_them_and_their_last_frame():
    network = ProjectedAutoencoder(TINY_PROJECTION).eval()
    still = torch.randn(3, 1, OF_LATENTS.given, GRID, GRID).expand(-1, 2 * GRID, -1, -1, -1).clone()
    still[:, GRID:] += 1
    before, after = pvdm_training.planes(network, still)
    assert before.shape == after.shape == (3, OF_LATENTS.channels, TOKENS)
    image = slice(0, OF_LATENTS.given), slice(0, GRID * GRID)
    wanted = still[:, 0].flatten(2)
    assert torch.allclose(before[::2, *image], wanted[::2], atol=1e-4)
    assert torch.allclose(after[::2, *image], wanted[::2] + 1, atol=1e-4)
    assert torch.allclose(before[1, *image], wanted[1] + 1, atol=1e-4)  # backwards


def test_the_last_frame_takes_the_place_of_the_mean_alone():
    row, last = (
        torch.zeros(1, OF_LATENTS.channels, TOKENS),
        torch.ones(1, OF_LATENTS.given, GRID, GRID),
    )
    told = ending(row, last)
    assert told.sum() == last.sum() and told[:, : OF_LATENTS.given, : GRID * GRID].min() == 1
    assert not row.any()


def test_ldm_draws_on_each_frame_from_the_noise_of_its_film():
    """The same frame stays the same, another film's noise makes another of it, and it is still that frame."""
    torch.manual_seed(0)
    detail = LatentDiffusion(replace(LDM, width=32, head=16, attention=()))
    film = ProjectedFilms(of_planes(), ProjectedAutoencoder(TINY_PROJECTION), detail, Autoencoder())
    still = torch.randn(1, LDM.channels, GRID, GRID)
    frames = torch.cat([still, still, -still])
    alike = film._detailed(frames)
    assert torch.equal(alike[0], alike[1])
    film.noise = torch.randn_like(film.noise)
    other = film._detailed(frames)
    assert torch.equal(other[0], other[1]) and (other - alike).abs().mean() > 0.05
    near, far = (torch.nn.functional.mse_loss(other[at], still[0]) for at in (0, 2))
    assert near < far / 2


def test_a_film_goes_on_from_its_last_frame():
    torch.manual_seed(0)
    network = of_planes()
    told: list[tuple[float, torch.Tensor]] = []
    network.register_forward_pre_hook(lambda module, given: told.append((given[3].item(), given[2])))
    projection = ProjectedAutoencoder(TINY_PROJECTION)
    autoencoder = Autoencoder(AutoencoderConfig(widths=(8, 8, 8), blocks=1))
    autoencoder.basis.normal_(0, 0.05)
    detail = LatentDiffusion(replace(LDM, width=32, head=16, attention=()))
    film = ProjectedFilms(network, projection, detail, autoencoder)
    steps = list(film(ORDER))
    frames = [step for step in steps if isinstance(step, FilmFrame)]
    assert [one.index for one in frames] == list(range(30))
    assert all(one.frame.shape == (256, 256, 3) and one.mask is None for one in frames)
    shares = [step.fraction for step in steps if isinstance(step, Progress)]
    assert shares == sorted(shares) and shares[-1] == pytest.approx(1)
    assert [flag for flag, _ in told] == [0, 0, 1, 1]
    jumps = [np.abs(two.frame.astype(float) - one.frame).mean() for one, two in itertools.pairwise(frames)]
    assert jumps[15] < 2 * max(jumps[:15] + jumps[16:])
    again = [step.frame for step in film(ORDER) if isinstance(step, FilmFrame)]
    assert all(np.array_equal(one.frame, two) for one, two in zip(frames, again, strict=True))
