"""The tables about drawn frames, with stand-ins for the networks: good comes out good, bad comes out bad."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from models.colonoscopy import pipeline
from models.colonoscopy.detection.boxes import from_mask
from models.colonoscopy.synthesis import downstream, generated_frames, memorization
from models.colonoscopy.synthesis import evaluation as figures
from models.colonoscopy.synthesis.registry import GENERATORS
from models.colonoscopy.types import Box
from models.core import results
from models.core.errors import UserError
from models.core.progress import Drawing, Progress
from tests.colonoscopy.makers import frame_of, mask_of, stand_ins  # noqa: F401


def shifted(mask, count=1, seed=0, **options):
    """A bad model: its polyp is drawn elsewhere, in another light."""
    frame = frame_of(np.roll(mask, 40, axis=1), seed) // 2 + 60
    yield Progress(1.0, "drawing", Drawing(0, frame.astype(np.uint8)))
    yield [frame]


shifted.looks = ("any",)


def repainted(order):
    """A stand-in for the cascade's inpainting: the polyp of the mask, or none."""
    frame = frame_of(order.mask & (not order.remove), order.seed)
    yield pipeline._judged(frame, order, 0, 0.1, memorization.load())


@pytest.fixture
def sets(tmp_path, monkeypatch, stand_ins):  # noqa: F811
    rng = np.random.default_rng(0)
    folder = tmp_path / "pairs"
    for number in range(6):
        top, left = rng.integers(60, 100, 2)
        mask = mask_of(box=(top, top + 70, left, left + 80)) if number else np.zeros((256, 256), bool)
        for kind, pixels in (("images", frame_of(mask, number)), ("masks", mask)):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(folder / kind / f"{number}.png")
    good = GENERATORS.loaded
    monkeypatch.setattr(GENERATORS, "loaded", lambda model: shifted if model == "sdm" else good(model))
    monkeypatch.setattr(downstream, "card", lambda name: type("Card", (), {"sha256": "0123456789ab"}))
    for module in (generated_frames, downstream):
        monkeypatch.setattr(module, "FOLDER", tmp_path / "runs")
    monkeypatch.setattr(results, "RESULTS", tmp_path / "RESULTS.md")
    views = np.stack([frame_of(mask_of(), seed) for seed in range(40)])
    monkeypatch.setattr(GENERATORS, "installed", lambda: ["arsdm", "adaptive", "sdm"])
    monkeypatch.setattr(figures, "training_frames", lambda data: SimpleNamespace(frames=views))
    colours = lambda frames: torch.tensor(np.stack([f.mean((0, 1)) for f in frames]), dtype=torch.float)  # noqa: E731
    known = memorization.Memory.of(torch.randn(6, 3) + 100, 100 + 3 * torch.randn(30, 3))
    monkeypatch.setattr(memorization, "features", colours)
    monkeypatch.setattr(memorization, "load", lambda: known)
    monkeypatch.setattr(pipeline, "inpaint", repainted)
    return {"pairs": folder}


def test_fidelity_tells_a_polyp_in_place_from_one_elsewhere(sets, tmp_path):
    rows = figures.evaluate(sets, None, ["fidelity"])["fidelity"]
    dice = {row["model"]: row["Dice"] for row in rows}
    assert dice["real"] > 99 and dice["arsdm"] > 99 and dice["sdm"] < 70
    assert dice[figures.INPAINTED] > 99 and dice[figures.REMOVED] == 0
    assert rows[0]["n"] == 5 and rows[0]["not drawn"] == 1  # the empty mask
    assert not (tmp_path / "RESULTS.md").exists()


def test_frames_are_drawn_once(sets, monkeypatch):
    first = figures.evaluate(sets, None, ["fidelity"])
    for drawing in ("draw", "inpaint"):
        monkeypatch.setattr(pipeline, drawing, lambda order: pytest.fail("drawn again"))
    assert figures.evaluate(sets, None, ["fidelity"]) == first


def test_realism_tells_like_from_unlike(sets, tmp_path):
    rows = figures.evaluate(sets, tmp_path, ["realism"])["realism"]
    far = {row["model"]: float(row["Frechet"]) for row in rows}
    assert far["arsdm"] < 10 < far["sdm"] and far[figures.INPAINTED] < far[figures.REMOVED]
    assert {row["n"] for row in rows} == {5}


def test_memory_counts_what_is_too_near(sets, tmp_path):
    rows = figures.evaluate(sets, tmp_path, ["memory"])["memory"]
    column = next(key for key in rows[0] if key.startswith("nearer"))
    unseen = next(row for row in rows if "nobody" in row["model"])
    assert unseen["n"] == 30 and unseen[column] == 1  # the first percentile of thirty
    assert all(row["n"] == 5 for row in rows if row["model"] in GENERATORS.installed())


def test_without_the_data_folder_training_frames_have_no_rows(sets):
    found = figures.evaluate(sets, None, ["realism", "memory"])
    labels = [row["model"] for rows in found.values() for row in rows]
    assert "arsdm" in labels and not any("training frames" in label for label in labels)


def test_masks_are_spread_over_a_large_set(sets):
    given = generated_frames.squares("few", sets["pairs"], most=3)
    assert given.names == ["2", "5"] and given.skipped == 1  # 0 is empty
    assert generated_frames.squares("few", sets["pairs"], limit=3).names == ["1", "2"]


def test_a_timed_row(sets):
    row = figures.timed(mask_of(), "dpm", 20)
    assert float(row["s to the first preview"]) <= float(row["s to the first frame"]) and row["peak MB"] > 50


@pytest.fixture
def data(sets, tmp_path):
    """A data folder whose training sets are the pairs."""
    folder = tmp_path / "data" / "colonoscopy"
    folder.mkdir(parents=True)
    for name in downstream.TRAINING:
        (folder / name).symlink_to(sets["pairs"])
    return folder.parent


def test_use_has_a_row_for_each_diet_and_trains_once(sets, data, monkeypatch):
    diets = []

    class Network(torch.nn.Module):
        size = 256

        def __init__(self):
            super().__init__()
            self.least = torch.nn.Parameter(torch.tensor(130 / 255))

        def forward(self, frames):
            return frames[:, 1:2] > self.least

        def likely(self, found):
            return found.float()

    def fitted(run, known, seed, steps):
        diets.append((run, len(known), seed))
        return SimpleNamespace(networks={name: Network() for name in downstream.SEGMENTERS_TALK})

    monkeypatch.setattr(downstream, "fitted", fitted)
    rows = figures.evaluate(sets, data, ["use"])["use"]
    assert [row["trained on"] for row in rows] == list(downstream.DIETS) * 3
    assert rows[0]["overall"] == rows[0]["pairs"] and rows[0]["pairs"].endswith("± 0.0")  # of one set
    assert [count for _, count, _ in diets] == [12] * 3 + [22] * 9  # six real, five of them drawn for, twice
    assert len({run for run, _, _ in diets}) == 12
    assert figures.evaluate(sets, data, ["use"])["use"] == rows and len(diets) == 12


def test_detectors_learn_on_the_encoder_of_their_diet_and_seed(sets, data, monkeypatch):
    """A detector that sees what stands out finds it; runs, frames and seeds are those of the segmenters."""
    asked = []

    class Boxes(torch.nn.Module):
        def __init__(self, encoder):
            super().__init__()
            self.seen = encoder

    def fitted(run, known, seed, steps):
        return torch.nn.ModuleDict({"encoder": torch.nn.Linear(1, seed)})

    def trained(run, names, encoder, known, seed, steps):
        asked.append((run, len(known), seed, encoder.out_features))
        return SimpleNamespace(networks={name: Boxes(encoder) for name in names})

    monkeypatch.setattr(downstream, "fitted", fitted)
    monkeypatch.setattr(downstream.boxes_training, "fitted", trained)

    def bright(network):
        return lambda frame: [Box(*one, 0.9) for one in from_mask(frame[..., 1] > 130).tolist()]

    for module in (downstream, downstream.boxes_training):
        monkeypatch.setattr(module, "NetworkDetector", bright)
    rows = figures.evaluate(sets, data, ["use-detectors"])["use-detectors"]
    assert [row["trained on"] for row in rows] == list(downstream.DIETS) * 3
    assert rows[0]["overall F1"] == rows[0]["pairs F1"] == "100.0 ± 0.0"
    assert [one[1:] for one in asked[:3]] == [(12, seed, seed) for seed in downstream.SEEDS]
    assert len({run for run, *_ in asked}) == 12 and all(run.endswith("_boxes") for run, *_ in asked)


def test_what_is_missing_or_misspelt(sets):
    for parts, key in ((["fidelty"], "part_unknown"), (["use"], "data_missing")):
        with pytest.raises(UserError) as refused:
            figures.evaluate(sets, None, parts)
        assert refused.value.key == key
