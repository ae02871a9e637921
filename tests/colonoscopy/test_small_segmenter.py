"""The small segmenter: shapes, ImageNet's start, disturbed training pairs, and a training that learns."""

import numpy as np
import pytest
import torch
from torch import nn

from models.colonoscopy.segmentation import training as segmentation_training
from models.colonoscopy.segmentation.small import SmallSegmenter
from models.colonoscopy.segmentation.training import as_tensors, exchanged, mean_dice, moved, recoloured
from models.core import training
from models.core.nn.efficientnet import EfficientNetLite
from tests.colonoscopy.makers import frame_of, mask_of


@pytest.fixture(scope="module")
def encoder():
    return EfficientNetLite("lite0").load_imagenet().eval()


@torch.inference_mode()
def test_features_at_five_strides(encoder):
    found = encoder(torch.rand(2, 3, 64, 96))
    assert [x.shape[1] for x in found] == encoder.channels == [16, 24, 40, 112, 320]
    assert [tuple(x.shape[2:]) for x in found] == [(32, 48), (16, 24), (8, 12), (4, 6), (2, 3)]


@torch.inference_mode()
def test_imagenets_weights_know_pictures_from_noise(encoder):
    """Features of a picture are nearer to those of itself, brighter, than to those of noise."""
    y, x = torch.meshgrid(torch.linspace(0, 6, 96), torch.linspace(0, 6, 96), indexing="ij")
    picture = torch.stack([(y + i).sin() * x.cos() for i in range(3)])[None] / 4 + 0.5
    a, b, c = (encoder(f)[4].mean((2, 3)) for f in (picture, picture * 1.05, torch.rand(1, 3, 96, 96)))
    assert (a - b).norm() < 0.5 * (a - c).norm()


@torch.inference_mode()
def test_logits_have_the_frames_size_and_hear_the_frame():
    torch.manual_seed(0)
    network = SmallSegmenter().eval()
    frames = torch.rand(2, 3, 64, 96)
    logits = network(frames)
    assert logits.shape == (2, 1, 64, 96)
    assert torch.allclose(logits[:1], network(frames[:1]), atol=1e-4)
    assert not torch.allclose(logits[0], logits[1])
    assert 3.0e6 < sum(p.numel() for p in network.parameters()) < 3.2e6


def test_a_mask_has_its_frames_size():
    network = SmallSegmenter().eval()
    for height, width in ((100, 240), (256, 256), (301, 33)):
        found = network.find(frame_of(mask_of(height, width, (10, 30, 10, 20))))
        assert found.shape == (height, width) and found.dtype == bool


def test_frame_and_mask_are_moved_alike():
    mask = mask_of()
    frame = np.where(mask[..., None], np.uint8(200), np.uint8(20)).repeat(3, axis=2)
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(8):
        shown, drawn = moved(frame, mask, rng)
        assert ((shown[..., 0] > 110) != drawn).mean() < 0.01
        shares.append(drawn.mean())
    assert max(shares) > 1.3 * min(shares)


def test_colours_change_and_places_do_not():
    frame = frame_of(mask_of())
    rng = np.random.default_rng(1)
    other = np.full_like(frame, (40, 120, 200))
    changed = [recoloured(frame, other, rng) for _ in range(4)]
    assert all(one.shape == frame.shape and one.dtype == np.uint8 for one in changed)
    assert np.ptp([one.mean() for one in changed]) > 2
    assert np.abs(exchanged(frame, other).mean((0, 1)) - (40, 120, 200)).max() < 12


def test_mean_dice_of_a_network_that_finds_half():
    frames, masks = as_tensors([(frame_of(mask_of()), mask_of())])
    assert frames.shape == (1, 3, 256, 256) and masks.shape == (1, 1, 256, 256)
    half = torch.from_numpy(mask_of(box=(60, 120, 80, 130)))[None, None].float() - 0.5

    class Half(nn.Module):
        def __init__(self):
            super().__init__()
            self.logits = nn.Parameter(half)

        def forward(self, frames):
            return self.logits

    assert mean_dice(Half(), [(frame_of(mask_of()), mask_of())]) == pytest.approx(2 / 3)


def test_training_learns_a_yellow_polyp(monkeypatch, tmp_path):
    monkeypatch.setattr(training, "RUNS", tmp_path)
    monkeypatch.setattr(training, "WARM_UP", 4)
    monkeypatch.setattr(segmentation_training, "BATCH", 2)
    monkeypatch.setattr(segmentation_training, "SMALL", 64)
    monkeypatch.setattr(segmentation_training, "COARSE", 1.0)
    boxes = [(60, 160, 80, 200), (20, 120, 20, 140), (120, 220, 100, 230)]
    known = [(frame_of(mask_of(box=box), seed), mask_of(box=box)) for seed, box in enumerate(boxes)]
    before = SmallSegmenter()
    before.encoder.load_imagenet()
    network = segmentation_training.trained("tiny", known, seed=1, steps=16, watched=known[:1])
    assert mean_dice(network, known) > 0.5 > mean_dice(before.eval(), known)
    assert torch.equal(network.encoder.stem[0].weight, before.encoder.stem[0].weight)  # frozen
    assert not torch.equal(
        network.encoder.blocks[8].project[0].weight, before.encoder.blocks[8].project[0].weight
    )
