"""The film under a mask: its networks, and a film of untrained ones, which already know the first frame."""

import numpy as np
import pytest
import torch

from models.colonoscopy import filming, pipeline
from models.colonoscopy.data.images import letterboxed
from models.colonoscopy.synthesis.cascade import SMALL, cosine_schedule
from models.colonoscopy.synthesis.super_resolution import MIDDLE, Sharpener, SharpenerConfig
from models.colonoscopy.video import first_frame
from models.colonoscopy.video.base import CLIP, FilmFrame, FilmOrder, check
from models.colonoscopy.video.film_generator import ConditionedFilms, settled
from models.colonoscopy.video.film_networks import (
    NOISE,
    Condition,
    FilmBase,
    FilmBaseConfig,
    FilmDetail,
    FilmDetailConfig,
    likely,
)
from models.colonoscopy.video.registry import FILMS
from models.core.errors import UserError
from models.core.progress import Drawing, Progress
from tests.colonoscopy.makers import draws, frame_of, mask_of

TINY = FilmBaseConfig(width=16, multiples=(1, 2), blocks=1, head=16)


def condition(count=1, frames=4, size=SMALL):
    torch.manual_seed(0)
    return Condition(
        torch.rand(count, frames, 3, size, size) * 2 - 1,
        (torch.rand(count, frames, 1, size, size) > 0.3).float(),
        (torch.rand(count, frames, 1, size, size) > 0.8).float(),
    )


class TinyCascade:
    """Stands for the cascade of frames: one that is known."""

    def __call__(self, mask, **how):
        yield from draws(mask, how["count"], how["seed"])


@pytest.fixture(scope="module")
def films():
    return ConditionedFilms(
        TinyCascade(), FilmBase(TINY), FilmDetail(FilmDetailConfig(8, 1)), Sharpener(SharpenerConfig(8, 1))
    )


def test_the_shipped_base_has_its_size():
    assert sum(one.numel() for one in FilmBase().parameters()) == 5_957_068
    assert sum(one.numel() for one in FilmDetail().parameters()) == 365_636


def test_an_untrained_base_says_what_is_likely():
    given, network = condition(), FilmBase(TINY)
    noisy, times = torch.randn(1, 4, 3, SMALL, SMALL), torch.tensor([500])
    kept = cosine_schedule().alphas_cumprod[times].view(-1, 1, 1, 1, 1)
    v = network(noisy, times, given)
    clean = kept.sqrt() * noisy - (1 - kept).sqrt() * v
    assert torch.allclose(clean, likely(noisy, kept, given)[0], atol=1e-4)


def test_where_the_first_frame_is_known_it_is_believed():
    given = condition()
    kept = torch.full((1, 1, 1, 1, 1), 0.02)
    guess, _ = likely(torch.randn(given.carried.shape), kept, given)
    error = (guess - given.carried).abs().mean(2, keepdim=True)
    assert error[given.known > 0].mean() < error[given.known == 0].mean() / 5


def test_every_weight_of_the_base_learns():
    network = FilmBase(TINY)
    torch.nn.init.normal_(network.last.weight)
    for block in network.modules():
        if hasattr(block, "conv2"):
            torch.nn.init.normal_(block.conv2.weight, std=0.1)
            torch.nn.init.normal_(block.along[2].weight, std=0.1)
    v = network(torch.randn(2, 4, 3, SMALL, SMALL), torch.tensor([3, 900]), condition(2))
    v.square().mean().backward()
    assert all(one.grad is not None and one.grad.abs().sum() > 0 for one in network.parameters())


def test_frames_hear_of_each_other():
    network = FilmBase(TINY)
    torch.nn.init.normal_(network.last.weight)
    for block in network.modules():
        if hasattr(block, "along"):
            torch.nn.init.normal_(block.along[2].weight, std=0.1)
    noisy, given = torch.randn(1, 4, 3, SMALL, SMALL), condition()
    before = network(noisy, torch.tensor([500]), given)
    noisy[:, 3] += 1
    assert not torch.allclose(before[:, 0], network(noisy, torch.tensor([500]), given)[:, 0])


def test_the_detail_takes_what_is_known_from_the_first_frame():
    network, given = FilmDetail(FilmDetailConfig(8, 1)), condition(frames=2, size=MIDDLE)
    given.known[:] = 1
    drawn = network(given.at(SMALL).carried, given, torch.randn(1, 2, NOISE, MIDDLE, MIDDLE))
    assert torch.allclose(drawn, given.carried, atol=1e-5)


def test_what_is_known_stays_as_it_is_and_the_seam_is_soft():
    given = condition(frames=1)
    given.known[:] = 1
    given.known[..., :10] = 0
    clip = torch.zeros_like(given.carried)
    found = settled(clip, given)
    assert torch.equal(found[..., 13:], given.carried[..., 13:])
    assert torch.equal(found[..., :9], clip[..., :9])


def ordered(**changed):
    return FilmOrder(mask_of(), **{"seconds": 2.4, "steps": 2, **changed})


def test_a_film_has_its_frames_in_order_and_shows_its_work(films):
    steps = list(films(ordered()))
    frames = [step for step in steps if isinstance(step, FilmFrame)]
    assert [one.index for one in frames] == list(range(24))
    assert frames[0].frame.shape == (256, 256, 3)
    told = [step for step in steps if isinstance(step, Progress)]
    assert all(isinstance(one.preview, Drawing) for one in told)
    assert [one.fraction for one in told] == sorted(one.fraction for one in told)
    assert isinstance(steps[0], Progress)


@pytest.mark.parametrize("count", [5, 16, 17, 31, 32])
def test_films_of_any_length_have_all_their_frames(films, count):
    steps = films(ordered(seconds=count / 10, steps=1))
    assert [step.index for step in steps if isinstance(step, FilmFrame)] == list(range(count))


def test_the_first_mask_is_that_of_the_order(films):
    first = next(step for step in films(ordered()) if isinstance(step, FilmFrame))
    assert (first.mask & mask_of()).sum() > 0.95 * mask_of().sum()


def test_a_film_forward_makes_the_polyp_larger_and_a_key_moves_it(films):
    grown = [step.mask.sum() for step in films(ordered(move="forward")) if isinstance(step, FilmFrame)]
    assert grown[-1] > 1.1 * grown[0]
    last = mask_of(box=(120, 180, 40, 140))
    *_, end = (step for step in films(ordered(move="still", mask_last=last)) if isinstance(step, FilmFrame))
    assert (end.mask & last).sum() > 0.9 * (end.mask | last).sum()


def test_the_same_seed_films_the_same(films):
    one, same, other = (
        np.stack([s.frame for s in films(ordered(seed=seed, seconds=0.5)) if isinstance(s, FilmFrame)])
        for seed in (3, 3, 4)
    )
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_a_visitors_own_frame_is_the_first(films):
    own = frame_of(mask_of(200, 300), seed=9)
    first = next(step for step in films(ordered(frame=letterboxed(own))) if isinstance(step, FilmFrame))
    own_middle = own[60:140, 100:200].reshape(-1, 3).mean(0)
    assert np.abs(first.frame[100:160, 90:160].reshape(-1, 3).mean(0) - own_middle).max() < 25


def test_a_polyp_is_drawn_into_a_visitors_frame_before_it_is_filmed(films, monkeypatch):
    def inpaint(cascade, frame, mask, *, seed, steps, look):
        assert cascade is films.cascade and (seed, look) == (3, "kvasir")
        for share in (0.5, 1.0):
            yield (
                share,
                np.where(mask[..., None], np.array([20, round(200 * share), 30]), frame).astype(np.uint8),
            )

    monkeypatch.setattr(first_frame, "inpaint", inpaint)
    order = ordered(frame=frame_of(mask_of(), 9), painted=True, seconds=0.5, seed=3, look="kvasir")
    steps = list(films(order))
    first = next(step for step in steps if isinstance(step, FilmFrame))
    assert np.abs(first.frame[70:110, 90:170].reshape(-1, 3).mean(0) - (20, 200, 30)).max() < 15
    previews = [one.preview.frame[90, 130, 1] for one in steps if isinstance(one, Progress)]
    assert previews[0] == 100  # the drawing of the polyp is shown


@pytest.mark.parametrize(
    ("wrong", "key"),
    [
        ({"move": "sideways"}, "move_unknown"),
        ({"seconds": 0.1}, "seconds_range"),
        ({"seconds": float("nan")}, "seconds_range"),
        ({"seconds": 1e9}, "seconds_range"),
        ({"steps": 0}, "steps_range"),
        ({"look": "mars"}, "look_unknown"),
    ],
)
def test_what_no_film_can_be_made_of_is_refused(wrong, key):
    with pytest.raises(UserError) as error:
        check(ordered(**wrong))
    assert error.value.key == key


def test_the_door_judges_every_frame(monkeypatch, films):
    monkeypatch.setattr(FILMS, "loaded", lambda name: films)
    monkeypatch.setattr(filming.SEGMENTERS, "loaded", lambda name: lambda frame: np.ones((8, 8), np.float32))
    steps = list(pipeline.film(ordered(seconds=0.5), "conditioned"))
    judged = [step for step in steps if isinstance(step, filming.JudgedFrame)]
    assert len(judged) == 5
    assert all(one.found.all() and 0 < one.dice < 1 for one in judged)


def test_a_clip_is_as_long_as_the_networks_see(films):
    assert films.base.look.order.shape[1] == CLIP
