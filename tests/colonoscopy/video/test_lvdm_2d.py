"""LVDM's 2D variant: what it begins as, what its filter knows, and films longer than a clip."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.colonoscopy.synthesis.autoencoder import Autoencoder, label_maps
from models.colonoscopy.synthesis.latent_diffusion import LDM, LatentDiffusion
from models.colonoscopy.video.base import CLIP, FPS, FilmFrame, FilmOrder
from models.colonoscopy.video.lvdm_2d import LVDM_2D, TOLD, ClipDiffusion, known
from models.colonoscopy.video.lvdm_2d_pipeline import FrameLatentFilms, MaskedLatentFilms
from models.colonoscopy.video.lvdm_2d_training import BEGINNINGS, ClipLosses
from tests.core.trainers import TINY_LVDM_2D

LABELS = torch.rand(1, CLIP, LDM.labels, 16, 16)
DISC = np.hypot(*(np.mgrid[:256, :256] - 128)) < 40
NOTHING = torch.zeros(1, CLIP, TOLD, 16, 16)


def clips(count: int = 1) -> torch.Tensor:
    """Latents that hardly change over time."""
    still = torch.randn(count, 1, LDM.channels, 16, 16)
    return still + 0.1 * torch.randn(count, CLIP, LDM.channels, 16, 16)


def test_what_ships_fits_its_file() -> None:
    with torch.device("meta"):
        network = ClipDiffusion()
    assert 2 * sum(value.numel() for value in network.state_dict().values()) < 16 * 2**20 - 2**15


def test_it_begins_as_ldm_frame_by_frame() -> None:
    torch.manual_seed(0)
    frames = LatentDiffusion(replace(LDM, width=32, blocks=1))
    for parameter in frames.unet.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, 0, 0.05)
    network = ClipDiffusion(TINY_LVDM_2D).begin_as(frames)
    seen = torch.randn(CLIP, 2 * LDM.channels, 16, 16)
    times = torch.full((CLIP,), 300)
    told = torch.cat([seen, torch.randn(CLIP, TOLD, 16, 16)], 1)
    with torch.no_grad():
        wanted, found = frames.unet(seen, times, LABELS[0]), network.unet(told, times, LABELS[0])
    torch.testing.assert_close(found, wanted)
    assert wanted.abs().mean() > 0.01


def test_frames_look_at_one_another_once_it_has_learned() -> None:
    torch.manual_seed(0)
    network = ClipDiffusion(TINY_LVDM_2D)
    for one in (network.unet.out[2], *(layer.proj_out for layer in network.unet.over_time)):
        torch.nn.init.normal_(one.weight, 0, 0.1)
    seen = torch.randn(CLIP, LVDM_2D.channels + LVDM_2D.beside, 16, 16)
    other = seen.clone()
    other[-1] += 1
    times = torch.full((CLIP,), 300)
    with torch.no_grad():
        change = network.unet(seen, times, LABELS[0]) - network.unet(other, times, LABELS[0])
    assert change[0].abs().mean() > 1e-4


def test_the_filter_knows_that_a_clip_is_steady() -> None:
    torch.manual_seed(0)
    network = ClipDiffusion(TINY_LVDM_2D).fit_power(clips(40))
    clean, kept = clips(), torch.tensor([0.3])
    noisy = 0.3**0.5 * clean + 0.7**0.5 * torch.randn_like(clean)
    error = (network.linear_guess(noisy, kept, NOTHING) - clean).square().mean()
    alone = (
        (0.3**0.5 * noisy - clean).square().mean()
    )  # the best that a frame by itself allows: unit variance
    assert error < 0.4 * alone
    nearly = network.linear_guess(clean, torch.tensor([0.99999]), NOTHING)
    torch.testing.assert_close(nearly, clean, atol=0.05, rtol=0)


def test_the_filter_goes_on_from_known_frames() -> None:
    torch.manual_seed(0)
    network = ClipDiffusion(TINY_LVDM_2D).fit_power(clips(40))
    clean, nothing = clips(2), torch.zeros(2)
    told = known(clean, torch.tensor([CLIP // 2, CLIP // 2]))
    found = network.linear_guess(torch.randn_like(clean), nothing, told)
    torch.testing.assert_close(found[:, : CLIP // 2], clean[:, : CLIP // 2], atol=0.05, rtol=0)
    ahead = (found[:, CLIP // 2 :] - clean[:, CLIP // 2 :]).square().mean()
    assert ahead < 0.05 < clean.var(), "steady clips are known ahead but for their flicker"


def test_both_ways_to_filter_agree() -> None:
    torch.manual_seed(0)
    network = ClipDiffusion(TINY_LVDM_2D).fit_power(clips(40))
    heard = torch.randn(1, CLIP, 8, 32, 32)
    weights = torch.full((1, CLIP), 0.7)
    shrunk = network._over_time(heard) * network.power / (1 + 0.7 * network.power)
    wanted = torch.einsum("ft,bf...->bt...", network.in_time, shrunk)
    torch.testing.assert_close(network._among_known(heard, weights), wanted, atol=1e-3, rtol=1e-2)


def test_known_frames_cost_nothing_and_are_told() -> None:
    torch.manual_seed(0)
    told, clean = [], clips(64)

    class Right(torch.nn.Module):
        """Wrong about known frames alone."""

        def forward(self, noisy, times, label, given):  # type: ignore[no-untyped-def]
            told.append((label, given))
            return wanted + given[:, :, -1:]

    losses = ClipLosses()
    wanted = torch.zeros_like(clean)
    losses.schedule.get_velocity = lambda latents, noise, times: wanted
    loss = losses(Right(), (clean, LABELS.expand(64, -1, -1, -1, -1)), 0.0)["loss"]
    assert loss == 0
    label, given = told[0]
    counts = given[:, :, -1, 0, 0].sum(1).int().tolist()
    assert set(counts) == set(BEGINNINGS)
    assert all(torch.equal(given[i, :n, :-1], clean[i, :n]) for i, n in enumerate(counts))
    heard = label.flatten(1).any(1).float().mean()
    assert 0.3 < heard < 0.7


def test_a_long_film_goes_on_from_half_a_clip() -> None:
    torch.manual_seed(0)
    network, told = ClipDiffusion(TINY_LVDM_2D), []
    network.register_forward_pre_hook(lambda module, given: told.append(given[3]))
    films = FrameLatentFilms(network, Autoencoder())
    order = FilmOrder(np.ones((8, 8), bool), seconds=2.6, seed=3, steps=1)
    frames = [step for step in films(order) if isinstance(step, FilmFrame)]
    assert [one.index for one in frames] == list(range(round(2.6 * FPS)))
    assert all(one.frame.shape == (256, 256, 3) and one.mask is None for one in frames)
    assert [int(one[0, :, -1, 0, 0].sum()) for one in told] == [0, CLIP // 2, CLIP // 2]
    assert torch.equal(told[0], NOTHING) and told[1][0, : CLIP // 2, :-1].any()


def test_known_frames_are_the_first() -> None:
    latents = clips(2)
    found = known(latents, torch.tensor([0, 3]))
    assert not found[0].any() and torch.equal(found[1, :3, :-1], latents[1, :3])
    assert found[1, :3, -1].all() and not found[1, 3:].any()


@pytest.mark.parametrize("count", [1, 2])
def test_a_batch_is_computed_clip_by_clip(count: int) -> None:
    torch.manual_seed(0)
    network = ClipDiffusion(TINY_LVDM_2D).eval()
    torch.nn.init.normal_(network.unet.out[2].weight, 0, 0.1)
    noisy, times = torch.randn(count, CLIP, LDM.channels, 16, 16), torch.tensor([100, 900])[:count]
    label, told = LABELS.expand(count, -1, -1, -1, -1), NOTHING.expand(count, -1, -1, -1, -1)
    with torch.no_grad():
        together = network(noisy, times, label, told)
        alone = network(noisy[-1:], times[-1:], label[:1], told[:1])
    torch.testing.assert_close(together[-1:], alone, atol=1e-4, rtol=1e-3)


def masked_film(**order: object) -> tuple[list[FilmFrame], list[tuple[torch.Tensor, torch.Tensor]]]:
    """The frames of a film under a mask, and (label, told) of each time that the network was asked."""
    torch.manual_seed(0)
    network, heard = ClipDiffusion(TINY_LVDM_2D), []
    network.register_forward_pre_hook(lambda module, given: heard.append((given[2], given[3])))
    given = FilmOrder(DISC, seed=3, steps=1, **{"seconds": 1.0, "move": "left", **order})  # type: ignore[arg-type]
    steps = MaskedLatentFilms(network, Autoencoder())(given)
    return [step for step in steps if isinstance(step, FilmFrame)], heard


def test_a_film_under_a_mask_is_told_it_in_every_frame() -> None:
    frames, heard = masked_film()
    assert all(one.mask is not None and one.mask.any() for one in frames)
    here, there = (np.argwhere(frames[at].mask).mean(0)[1] for at in (0, -1))
    assert here < there - 5, "a camera that goes left sees the polyp go right"
    ((label, told),) = heard
    assert not label[0].any() and torch.equal(told[0], told[1]) and not told.any()
    masks = torch.from_numpy(np.stack([one.mask for one in frames])).float()
    assert torch.equal(label[1, : len(frames)], label_maps(masks))
    assert torch.equal(
        label[1, len(frames) :], label[1, len(frames) - 1 :][:1].expand(CLIP - len(frames), -1, -1, -1)
    )


def test_a_film_ends_under_its_last_mask() -> None:
    frames, _ = masked_film(mask_last=np.roll(DISC, 40, 0))
    assert (frames[-1].mask == np.roll(DISC, 40, 0)).mean() > 0.99
    assert (frames[0].mask == DISC).mean() > 0.99


def test_ones_own_frame_is_known_as_the_first() -> None:
    own = np.full((256, 256, 3), 140, np.uint8)
    _, heard = masked_film(frame=own)
    told = heard[0][1][0]
    assert told[0, -1].all() and not told[1:].any()
    autoencoder = Autoencoder()
    wanted = autoencoder.encode(torch.full((1, 3, 256, 256), 140 / 127.5 - 1))[0]
    torch.testing.assert_close(told[0, :-1], wanted)
