"""Inpainting: the frame stays to the bit outside the rim, inside something new is drawn."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.colonoscopy import pipeline
from models.colonoscopy.synthesis import inpainting
from models.colonoscopy.synthesis.cascade import cosine_schedule
from models.colonoscopy.synthesis.registry import GENERATORS
from models.core.errors import UserError
from tests.colonoscopy.makers import stand_ins  # noqa: F401
from tests.colonoscopy.synthesis.test_cascade import generator  # noqa: F401


def frame_of(height, width):
    return np.random.default_rng(0).integers(0, 255, (height, width, 3)).astype(np.uint8)


def mask_of(height, width, box):
    mask = np.zeros((height, width), bool)
    mask[box[0] : box[1], box[2] : box[3]] = True
    return mask


def last(running):
    *_, (share, frame) = running
    assert share == 1
    return frame


@pytest.mark.parametrize(
    ("size", "box"),
    [
        ((300, 400), (100, 160, 150, 220)),
        ((300, 400), (0, 50, 360, 400)),  # at the corner
        ((90, 120), (10, 80, 10, 110)),  # nearly all of a small one
        ((1080, 1350), (300, 700, 500, 1000)),
    ],
)
@pytest.mark.parametrize("remove", [False, True])
def test_outside_the_rim_every_pixel_stays(generator, size, box, remove):  # noqa: F811
    frame, mask = frame_of(*size), mask_of(*size, box)
    found = last(inpainting.inpaint(generator, frame, mask, steps=2, remove=remove))
    area = inpainting.area_around(mask)
    stays = inpainting.feathered(mask, area.side) == 0
    assert found.shape == frame.shape and np.array_equal(found[stays], frame[stays])
    assert (found[mask] != frame[mask]).mean() > 0.5


def test_seed_and_removal_make_a_difference(generator):  # noqa: F811
    frame, mask = frame_of(200, 200), mask_of(200, 200, (80, 120, 80, 120))
    one, two, gone = (
        last(inpainting.inpaint(generator, frame, mask, steps=2, **asked))
        for asked in ({"seed": 1}, {"seed": 2}, {"seed": 1, "remove": True})
    )
    assert not np.array_equal(one, two) and not np.array_equal(one, gone)


def test_the_square_holds_the_mask_and_lies_inside_the_frame():
    for box in ((0, 40, 0, 40), (250, 300, 350, 400), (120, 180, 100, 260)):
        area = inpainting.area_around(mask_of(300, 400, box))
        assert area.top <= box[0] and area.top + area.side >= box[1]
        assert area.left <= box[2] and area.left + area.side >= box[3]
        assert area.left >= 0 and area.left + area.side <= 400


def test_what_is_known_steers_what_is_drawn():
    """With the exact denoiser of one flat picture the hole fills with it, and the known part stays."""
    schedule = cosine_schedule()
    kept = schedule.alphas_cumprod

    class Network:
        pass

    cascade = Network()
    cascade.schedule = schedule
    target = torch.full((1, 3, 8, 8), 0.4)

    def exact(noisy, times):
        alpha = kept[times].view(-1, 1, 1, 1)
        noise = (noisy - alpha.sqrt() * target) / (1 - alpha).sqrt()
        return alpha.sqrt() * noise - (1 - alpha).sqrt() * target

    hole = torch.zeros(1, 1, 8, 8)
    hole[..., 2:6, 2:6] = 1
    known = torch.full((1, 3, 8, 8), -0.5)
    *_, (share, found) = inpainting._repaint(
        cascade, exact, known, hole, torch.Generator().manual_seed(0), 10
    )
    assert share == 1 and torch.equal(found[..., 0, :], known[..., 0, :])
    assert found[..., 3, 3].sub(0.4).abs().max() < 0.05


@pytest.mark.usefixtures("stand_ins")
def test_the_labs_door_judges_what_was_altered(generator, monkeypatch):  # noqa: F811
    monkeypatch.setattr(GENERATORS, "loaded", lambda name: generator)
    frame, mask = frame_of(200, 240), mask_of(200, 240, (80, 120, 80, 140))
    order = pipeline.Alteration(frame, mask, count=2, seed=4, remove=True, steps=2)
    made = [step for step in pipeline.inpaint(order) if isinstance(step, pipeline.Sample)]
    assert [(one.seed, one.kind, one.model) for one in made] == [
        (4, "removed", "arsdm"),
        (5, "removed", "arsdm"),
    ]
    assert made[0].frame.shape == frame.shape and made[0].found.shape == mask.shape
    tall = np.zeros((1100, 1200, 3), np.uint8)
    with pytest.raises(UserError, match="frame_large"):
        next(pipeline.inpaint(replace(order, frame=tall, mask=mask_of(1100, 1200, (100, 300, 100, 300)))))
