"""How the generators are trained: the autoencoder with its judge, and the stages by name."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from PIL import Image

from models.colonoscopy.segmentation.small import SmallSegmenter
from models.colonoscopy.synthesis import (
    arsdm_training,
    autoencoder_training,
    cascade,
    generator_training,
    ldm_training,
    picture_losses,
    sharpener_training,
    whole_frames,
)
from models.colonoscopy.synthesis import training as base_training
from models.colonoscopy.synthesis.autoencoder import Autoencoder
from models.colonoscopy.synthesis.cascade import BASE, BaseSdm
from models.colonoscopy.synthesis.latent_diffusion import LDM, LatentDiffusion
from models.colonoscopy.synthesis.super_resolution import Sharpener
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
    for name in whole_frames.SETS.values():
        for part in ("images", "masks"):
            (folder / "colonoscopy" / name / part).mkdir(parents=True)
        for seed in range(2):
            frame, mask = picture(seed)
            Image.fromarray(frame).save(folder / "colonoscopy" / name / "images" / f"{seed}.png")
            Image.fromarray(mask).save(folder / "colonoscopy" / name / "masks" / f"{seed}.png")
    return folder


@pytest.fixture(autouse=True)
def runs(tmp_path, monkeypatch):
    for module in (training, whole_frames):
        monkeypatch.setattr(module, "RUNS", tmp_path)
    monkeypatch.setattr(picture_losses.PerceptualLoss, "load_vgg16", lambda self: self)
    return tmp_path


@pytest.mark.parametrize("spent", [0.0, 0.3, 0.9])
def test_the_repair_learns_and_only_the_judge_judges_itself(spent):
    torch.manual_seed(0)
    shown = torch.rand(2, 3, 64, 64) * 2 - 1
    network, losses = Autoencoder().fit_components(shown), autoencoder_training.RepairLosses()
    before = losses.judge.last.weight.clone()
    found = losses(network, shown, spent)
    assert torch.equal(before, losses.judge.last.weight) == (spent < picture_losses.ALONE / 2)
    losses.judge.zero_grad()
    found["loss"].backward()
    assert network.repair[-2].weight.grad.abs().sum() > 0
    assert all(p.grad is None or not p.grad.any() for p in losses.judge.parameters())
    assert all(p.requires_grad for p in losses.judge.parameters())


def test_the_judge_goes_on_where_it_was():
    first, second = autoencoder_training.RepairLosses(), autoencoder_training.RepairLosses()
    first.teach(torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32))
    second.load_state_dict(first.state_dict())
    assert torch.equal(first.judge.last.weight, second.judge.last.weight)
    assert second.optimiser.state_dict()["state"]


def test_an_edge_costs_where_it_is_missing():
    wanted = torch.zeros(1, 3, 8, 8)
    wanted[..., 4:] = 1
    assert edge_loss(wanted, wanted) == 0
    assert edge_loss(torch.full_like(wanted, 0.5), wanted).item() == pytest.approx(1 / 7)


DRAWN = base_training.batches
UNET = {"width": 32, "multiples": (1, 1), "blocks": 1, "attention": (2,), "head": 16, "hidden": 4}
KINDS = {
    "base": BaseSdm,
    "sharpener": Sharpener,
    "sdm": BaseSdm,
    "adaptive": BaseSdm,
    "arsdm": BaseSdm,
    "autoencoder": Autoencoder,
    "ldm": LatentDiffusion,
}


def small(monkeypatch):
    """Every network small, every batch of two."""
    monkeypatch.setattr(cascade, "COMPONENTS", 16)  # there are but a few frames
    base = partial(BaseSdm, replace(BASE, **UNET))
    for module in (base_training, arsdm_training):
        monkeypatch.setattr(module, "BaseSdm", base)
        monkeypatch.setattr(module, "batches", partial(DRAWN, batch=4))
    monkeypatch.setattr(arsdm_training, "STEPS", 2)
    monkeypatch.setattr(
        ldm_training, "LatentDiffusion", partial(LatentDiffusion, replace(LDM, **{**UNET, "attention": ()}))
    )
    monkeypatch.setattr(ldm_training, "batches", partial(ldm_training.batches, batch=2))
    for module in (sharpener_training, autoencoder_training):
        monkeypatch.setattr(module, "BATCH", 1)
    monkeypatch.setattr(arsdm_training.small, "load", lambda name: SmallSegmenter(8).eval())


def test_the_stages_follow_one_another(data, runs, monkeypatch):
    small(monkeypatch)
    monkeypatch.setattr(
        ldm_training, "load_checkpoint", lambda kind, name: kind.from_pretrained(runs / "out" / "autoencoder")
    )
    for name in KINDS:
        generator_training.train(name, data, 0.002, runs / "out" / name)
        assert KINDS[name].from_pretrained(runs / "out" / name)
    first, second = (
        BaseSdm.from_pretrained(runs / "out" / name).unet.out[2].weight for name in ("sdm", "arsdm")
    )
    assert not torch.equal(first, second), "their losses differ"


def test_the_three_models_take_the_same_steps_over_the_same_frames(data, runs, monkeypatch):
    small(monkeypatch)
    base_training.train_base(data, 0.0, steps=2)
    seen = {}
    for name in ("sdm", "adaptive", "arsdm"):

        def noted(rows, seed, name=name):
            for batch in DRAWN(rows, seed, batch=4):
                seen.setdefault(name, []).append(batch[0])
                yield batch

        monkeypatch.setattr(arsdm_training, "batches", noted)
        arsdm_training.train_further(name, data)
    assert len(seen["sdm"]) == 2
    for name in ("adaptive", "arsdm"):
        assert all(torch.equal(a, b) for a, b in zip(seen["sdm"], seen[name], strict=True))
