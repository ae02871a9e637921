from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from models.core import training
from models.core.perceptual import PerceptualLoss
from models.face.methods import RENDERING
from models.face.rendering import examples as made
from models.face.rendering import predictor
from models.face.rendering.blend import Blender
from models.face.rendering.crops import SIDE
from models.face.rendering.examples import Examples
from models.face.rendering.generator import MouthGenerator, inputs
from models.face.rendering.predictor import BATCH, Generator
from models.face.rendering.training import GeneratorLosses, batches
from models.face.sources.tracking import Track
from tests.face.made_face import own, picture, pixels, pose

SMALL = ((8, 12, 16), (1, 1, 1), 2.0)


@pytest.fixture
def given() -> torch.Tensor:
    torch.manual_seed(0)
    return torch.cat([torch.rand(2, 6, 32, 32) * 2 - 1, torch.rand(2, 2, 32, 32)], dim=1)


def trained_a_little(network: MouthGenerator) -> MouthGenerator:
    torch.nn.init.normal_(network.last.weight, std=0.3)
    return network


def test_it_is_as_large_as_its_card_says():
    count = sum(parameter.numel() for parameter in MouthGenerator().parameters())
    assert 1.5e6 < count < 3e6


def test_untrained_it_leaves_the_blend_alone(given):
    assert torch.equal(MouthGenerator(*SMALL).eval().drawn(given), given[:, :3])


def test_shapes_and_shares(given):
    out = trained_a_little(MouthGenerator(*SMALL))(given)
    assert out.shape == (2, 4, 32, 32)
    assert out[:, 3].min() >= 0 and out[:, 3].max() <= 1


def test_every_parameter_learns_and_every_input_counts(given):
    given.requires_grad_()
    network = trained_a_little(MouthGenerator(*SMALL))
    network(given).pow(2).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())
    assert (given.grad.abs().sum((0, 2, 3)) > 0).all()


def test_frames_of_a_batch_do_not_see_one_another(given):
    network = trained_a_little(MouthGenerator(*SMALL)).eval()
    with torch.no_grad():
        assert torch.allclose(network(given)[1], network(given[1:])[0], atol=1e-5)


def test_one_batch_is_learnt_by_heart():
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    squares = rng.integers(90, 160, (4, 32, 32, 3)).astype(np.uint8)
    drawn = np.zeros((4, 32, 32, 2), np.uint8)
    drawn[:, 8:24, 8:24] = 255
    given = inputs(squares, squares[::-1].copy(), drawn)
    wanted = given[:, :3].clone()
    wanted[..., 8:24, 8:24] = 0.6
    network = MouthGenerator(*SMALL)
    optimiser = torch.optim.Adam(network.parameters(), 5e-3)
    before = (network.drawn(given) - wanted).abs().mean().item()
    for _ in range(120):
        loss = (network.drawn(given) - wanted).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.3 * before


def some_examples(count: int = 6) -> Examples:
    rng = np.random.default_rng(1)
    squares = [
        rng.integers(0, 256, (count, SIDE, SIDE, channels)).astype(np.uint8) for channels in (3, 3, 2, 3)
    ]
    return Examples(*squares)


def test_examples_are_mirrored_as_a_whole_and_stay_colours():
    examples = some_examples()
    flat = Examples(examples.blends, examples.references, examples.drawn, examples.blends)
    given, wanted = next(batches(flat, 3, 4))
    assert given.shape == (4, 8, SIDE, SIDE) and wanted.shape == (4, 3, SIDE, SIDE)
    assert torch.allclose(given[:, :3], wanted, atol=1e-5), (
        "what is wanted is lit and mirrored like the blend"
    )
    assert given[:, :6].abs().max() <= 1 and given[:, 6:].min() >= 0 and given[:, 6:].max() <= 1


@pytest.fixture(autouse=True)
def untaught(monkeypatch):
    """The perceptual loss without its package."""
    monkeypatch.setattr(PerceptualLoss, "load_vgg16", lambda self: self)


def test_losses_reach_the_network():
    network, losses = trained_a_little(MouthGenerator(*SMALL)), GeneratorLosses()
    batch = next(batches(some_examples(), 0, 2))
    found = losses(network, batch, 0.5)
    found["loss"].backward()
    assert network.first.weight.grad.abs().sum() > 0
    assert all(one.grad is None for one in losses.parameters())
    given, wanted = batch
    told = torch.cat([wanted - given[:, :3], torch.ones_like(given[:, :1])], 1)
    perfect = losses(lambda _: told, batch, 0.5)
    assert all(perfect[name].abs() < 1e-4 for name in ("l1", "edges", "coarse", "tone", "perceptual"))


class FakeClip:
    """Thirty frames in which a mouth opens and shuts."""

    path, set, name, person = Path("made.mp4"), "made", "made", "nobody"

    def __init__(self) -> None:
        opened = 0.8 * np.abs(np.sin(np.arange(30) / 4))
        vertices = np.stack([own(float(by)) for by in opened])
        poses = np.repeat(pose()[None], 30, 0)
        self.track = Track(vertices, poses, np.zeros((30, 52), np.float32), np.ones(30, bool), (320, 320))

    def __len__(self) -> int:
        return 30

    def frames(self) -> list[np.ndarray]:
        """Each is lighter than the one before."""
        return [np.clip(picture().astype(int) + 2 * k - 30, 0, 255).astype(np.uint8) for k in range(30)]


def test_examples_show_a_moment_that_was_not_given():
    rows = list(made.examples(FakeClip(), 12, np.random.default_rng(0)))
    assert all(row.shape == (SIDE, SIDE, 11) and row.dtype == np.uint8 for row in rows)
    # Each frame is lighter than the one before: the wanted one is neither the reference nor the blend.
    light = np.array([[row[-20:, :20, part].mean() for part in (0, 3, 8)] for row in rows])
    assert (np.abs(light[:, 2:] - light[:, :2]) > 1).all()
    assert len({round(float(one)) for one in light[:, 2]}) > 3


def test_people_count_by_a_root_of_their_clips():
    class One:
        def __init__(self, person: str) -> None:
            self.person = person

    clips = [One("much") for _ in range(100)] + [One("once")]
    shares = made._shares(clips, 1000)
    assert sum(shares) == 1000
    assert shares[-1] > 100 and sum(shares[:-1]) > 2 * shares[-1]


def test_training_goes_on_where_it_was(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "RUNS", tmp_path)
    first = MouthGenerator(*SMALL)
    _, done = training.fit(
        "generator", first, partial(batches, some_examples(), batch=2), GeneratorLosses(), rate=1e-3, steps=2
    )
    assert done["steps"] == 2
    _, done = training.fit(
        "generator",
        MouthGenerator(*SMALL),
        partial(batches, some_examples(), batch=2),
        GeneratorLosses(),
        rate=1e-3,
        steps=3,
    )
    assert done["steps"] == 3


@pytest.fixture
def cleaner(monkeypatch):
    network = MouthGenerator(*SMALL).eval()
    monkeypatch.setattr(RENDERING, "loaded", lambda name: network)
    image = picture()
    return network, Generator(image, pixels(), own()), Blender(image, pixels(), own())


def test_nothing_to_change_gives_the_blends_back(cleaner):
    _, clean, blender = cleaner
    blended = [blender.blend(picture(), pixels(), pixels(open_by=by)) for by in (0.0, 0.5, 1.0)]
    out = clean.refine(blended)
    assert all(np.array_equal(one.frame, frame) for one, frame in zip(blended, out, strict=True))


def test_only_the_square_is_changed_and_more_than_a_batch_is_taken(cleaner):
    network, clean, blender = cleaner
    torch.nn.init.constant_(network.last.bias, 0.4)
    blended = blender.blend(picture(), pixels(), pixels(open_by=0.5))
    out = clean.refine([blended] * (BATCH + 2))
    assert len(out) == BATCH + 2
    changed = np.nonzero((out[-1] != blended.frame).any(2))
    half = blended.crop.side / 2
    assert (
        np.abs(changed[1] - blended.crop.x).max() <= half
        and np.abs(changed[0] - blended.crop.y).max() <= half
    )


def test_teeth_that_a_camera_saw_are_hardly_changed():
    drawn = np.zeros((1, SIDE, SIDE, 2), np.uint8)
    drawn[:, 20:60, 20:60, 1] = 255
    sure = np.zeros((1, SIDE, SIDE), np.float32)
    sure[:, 20:30, 20:60] = 1
    believed = predictor._believed(drawn, sure)[0, ..., 0]
    assert believed[5, 5] == 1 and believed[50, 40] == pytest.approx(predictor.BETWEEN)
    assert believed[25, 40] < 0.2 * predictor.BETWEEN
