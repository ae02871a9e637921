"""How the synthesis is trained: clean views of frames, the repair with its judge, and the stages by name."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image

from models.colonoscopy.data import crops
from models.colonoscopy.segmentation.small import SmallSegmenter
from models.colonoscopy.synthesis import patch_training, train_decoder, training_plan
from models.colonoscopy.synthesis.autoencoder import Autoencoder
from models.colonoscopy.synthesis.latent_sdm import LatentSdm
from models.core import training
from models.core.nn.patch_discriminator import edge_loss


def picture(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A frame (192, 240, 3) with black corners and smooth tissue, and its mask."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:192, :240]
    tissue = 150 + 40 * np.sin(columns / 30 + seed) + 30 * np.cos(rows / 25)
    frame = np.stack([tissue, 0.6 * tissue, 0.5 * tissue], 2) + rng.normal(0, 2, (192, 240, 3))
    frame[(np.abs(rows - 96) / 96 + np.abs(columns - 120) / 120) > 1.5] = 0
    mask = (rows - 100) ** 2 + (columns - 130) ** 2 < 30**2
    return frame.clip(0, 255).astype(np.uint8), mask


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for name in crops.SETS:
        for part in ("images", "masks"):
            (folder / "colonoscopy" / name / part).mkdir(parents=True)
        for seed in range(2):
            frame, mask = picture(seed)
            Image.fromarray(frame).save(folder / "colonoscopy" / name / "images" / f"{seed}.png")
            Image.fromarray(mask).save(folder / "colonoscopy" / name / "masks" / f"{seed}.png")
    return folder


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch):
    for module in (training, patch_training, crops):
        monkeypatch.setattr(module, "RUNS", tmp_path)
    return tmp_path


def test_views_show_tissue_and_the_polyp():
    frame, mask = picture(0)
    found = list(crops.views(frame, mask, 3, np.random.default_rng(0)))
    assert len(found) == 3
    for view, drawn in found:
        assert view.shape == (256, 256, 3) and drawn.shape == (256, 256)
        assert (view.max(2) < 20).mean() <= 0.02, "black corners stay outside"
        assert drawn.mean() > 0.03


def test_views_are_made_once(data, runs):
    shown, drawn = crops.training_views(data)
    assert shown.shape == (2 * 2 * crops.VIEWS, 256, 256, 3) and drawn.dtype == bool
    again, _ = crops.training_views(runs / "nowhere")
    assert np.array_equal(shown, again)


def test_a_frame_without_a_clean_rectangle_still_gives_views():
    frame = np.zeros((100, 120, 3), np.uint8)
    assert len(list(crops.views(frame, np.zeros((100, 120), bool), 2, np.random.default_rng(0)))) == 2


@pytest.mark.parametrize("spent", [0.0, 0.3, 0.9])
def test_the_repair_learns_and_only_the_judge_judges_itself(spent):
    torch.manual_seed(0)
    shown = torch.rand(2, 3, 64, 64) * 2 - 1
    network, losses = Autoencoder().fit_components(shown), train_decoder.RepairLosses()
    before = losses.judge.last.weight.clone()
    found = losses(network, shown, spent)
    assert torch.equal(before, losses.judge.last.weight) == (spent < train_decoder.ALONE / 2)
    losses.judge.zero_grad()
    found["loss"].backward()
    assert network.repair[-2].weight.grad.abs().sum() > 0
    assert all(p.grad is None or not p.grad.any() for p in losses.judge.parameters())
    assert all(p.requires_grad for p in losses.judge.parameters())


def test_the_judge_goes_on_where_it_was():
    first, second = train_decoder.RepairLosses(), train_decoder.RepairLosses()
    first.teach(torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32))
    second.load_state_dict(first.state_dict())
    assert torch.equal(first.judge.last.weight, second.judge.last.weight)
    assert second.optimiser.state_dict()["state"]


def test_an_edge_costs_where_it_is_missing():
    wanted = torch.zeros(1, 3, 8, 8)
    wanted[..., 4:] = 1
    assert edge_loss(wanted, wanted) == 0
    assert edge_loss(torch.full_like(wanted, 0.5), wanted).item() == pytest.approx(1 / 7)


def test_the_stages_follow_one_another(data, runs, monkeypatch):
    small = replace(training_plan.SHIPPED, width=32, blocks=1, hidden=4, head=16)
    monkeypatch.setattr(training_plan, "SHIPPED", small)
    monkeypatch.setattr(training_plan, "SHIPPED_LDM", replace(small, spade=False))
    monkeypatch.setattr(patch_training, "EXTRA", 2)
    monkeypatch.setattr(patch_training, "batches", partial(patch_training.batches, batch=2))
    monkeypatch.setattr(training_plan.small, "load", lambda name: SmallSegmenter(8).eval())
    for name in training_plan.NAMES:
        training_plan.train(name, data, 0.005, runs / "out" / name)
        kind = Autoencoder if name == "autoencoder" else LatentSdm
        assert kind.from_pretrained(runs / "out" / name)
