"""Grounding in rendered views: what a camera sees, what a box is lifted to, what is learnt."""

from dataclasses import fields, replace
from itertools import product

import numpy as np
import pytest
import torch

from models.core import results
from models.scene.data.datasets import Sentence
from models.scene.data.scan import Scan, instances_of
from models.scene.grounding.rendered_views import evaluation, training
from models.scene.grounding.rendered_views.boxes2d import iou_2d, visible_boxes, whole_boxes
from models.scene.grounding.rendered_views.examples import answerable
from models.scene.grounding.rendered_views.lifting import lift
from models.scene.grounding.rendered_views.one_stage import CELLS, STRIDES, OneStage, cells
from models.scene.grounding.rendered_views.predictor import ground
from models.scene.grounding.rendered_views.surfaces import annotated_views, views
from models.scene.grounding.rendered_views.views import HEIGHT, WIDTH, View, lifted_pixels, projected
from tests.core.trainers_data import Words, viewed_scan

ROOM, CRATE = 0, 7
BOX = np.array([0.4, 0.9, 0.0, 1.2, 1.7, 0.8], np.float32)
TINY = {"width": 16, "joined": 8, "dropout": 0.0}


def square(corner, u, v, step=0.05):
    """Vertices and faces of a finely cut parallelogram."""
    corner, u, v = (np.array(one, float) for one in (corner, u, v))
    n, m = (int(np.ceil(np.linalg.norm(side) / step)) + 1 for side in (u, v))
    a, b = np.meshgrid(np.linspace(0, 1, n), np.linspace(0, 1, m), indexing="ij")
    points = corner + a.reshape(-1, 1) * u + b.reshape(-1, 1) * v
    first = (np.arange(n - 1)[:, None] * m + np.arange(m - 1)).ravel()
    quads = np.stack([first, first + m, first + m + 1, first + 1], 1)
    return points, np.concatenate([quads[:, :3], quads[:, [0, 2, 3]]])


@pytest.fixture(scope="module")
def scan() -> Scan:
    """A room of 5 x 5 m in grey, with a red crate at BOX; its file's frame is turned and shifted."""
    low, high = BOX[:3], BOX[3:]
    x, y, z = np.diag(high - low)
    crate = [square(low, x, z), square(low + y, x, z), square(low, y, z), square(low + x, y, z)]
    crate.append(square(low + z, x, y))
    walls = [square((-2.5, -2.5, 0), (5, 0, 0), (0, 5, 0))]
    for corner, side in (
        ((-2.5, -2.5), (5, 0)),
        ((-2.5, 2.5), (5, 0)),
        ((-2.5, -2.5), (0, 5)),
        ((2.5, -2.5), (0, 5)),
    ):
        walls.append(square((*corner, 0), (*side, 0), (0, 0, 2.5)))
    pieces = [*walls, *crate]
    points = np.concatenate([points for points, _ in pieces]).astype(np.float32)
    starts = np.cumsum([0, *(len(points) for points, _ in pieces[:-1])])
    faces = np.concatenate([faces + start for (_, faces), start in zip(pieces, starts, strict=True)])
    owner = np.full(len(points), CRATE, np.int32)
    owner[: starts[len(walls)]] = ROOM
    colours = np.where(owner[:, None] == CRATE, (200, 30, 30), (150, 150, 150)).astype(np.uint8)
    alignment = np.eye(4)
    alignment[:2, :2], alignment[:3, 3] = [[0.8, -0.6], [0.6, 0.8]], (1.0, -2.0, 0.1)
    own = ((points - alignment[:3, 3]) @ alignment[:3, :3]).astype(np.float32)
    made = instances_of(points, colours, owner, {ROOM: "wall", CRATE: "box"})
    return Scan("room", own, colours, faces.astype(np.int32), owner, made, alignment)


def cloud(scan: Scan) -> Scan:
    """The same without faces."""
    return replace(scan, faces=np.zeros((0, 3), np.int32))


@pytest.mark.parametrize("kind", ["mesh", "cloud"])
def test_depth_and_instances_agree_with_a_known_box(scan, kind):
    slack, tight = (0.005, 0.8) if kind == "mesh" else (0.12, 0.7)
    found = annotated_views(scan if kind == "mesh" else cloud(scan))
    assert len(found) == 12
    boxes, pixels = visible_boxes(found, [CRATE])
    assert (pixels > 0).sum() >= 3, "some views show the crate"
    for place, one in enumerate(found):
        assert one.view.colour.shape == (HEIGHT, WIDTH, 3) and one.view.depth.dtype == np.float32
        assert (one.view.depth > 0).mean() > 0.6, "no view is empty"
        on = one.owner == CRATE
        points = lifted_pixels(one.view)[on]
        assert (points > BOX[:3] - slack).all() and (points < BOX[3:] + slack).all()
        assert (one.view.colour[on][:, 0] > one.view.colour[on][:, 1]).all(), "it is red"
        flat, depth = projected(np.array(list(product(*BOX.reshape(2, 3).T))), one.view.pose)
        if pixels[0, place] and (depth > 0.2).all():
            around = np.clip([*flat.min(0), *flat.max(0)], 0, [WIDTH, HEIGHT, WIDTH, HEIGHT])
            assert iou_2d(boxes[0, place], around) > tight


def test_a_pixel_that_is_projected_comes_back(scan):
    view = views(scan)[3]
    pixels, depth = projected(lifted_pixels(view).reshape(-1, 3), view.pose)
    seen = view.depth.ravel() > 0
    v, u = np.mgrid[0:HEIGHT, 0:WIDTH]
    wanted = np.stack([u.ravel(), v.ravel()], 1) + 0.5
    assert np.abs(pixels - wanted)[seen].max() < 0.01
    assert np.abs(depth - view.depth.ravel())[seen].max() < 1e-4


@pytest.mark.parametrize(("kind", "slack"), [("mesh", 0.05), ("cloud", 0.06)])
def test_the_true_rectangle_is_lifted_to_the_box(scan, kind, slack):
    found = annotated_views(scan if kind == "mesh" else cloud(scan))
    boxes, pixels = visible_boxes(found, [CRATE])
    whole = whole_boxes(boxes)[0]
    best = int(np.where(np.isfinite(whole[:, 0]), pixels[0], 0).argmax())
    lifted = lift(found[best].view, whole[best])
    off = np.abs(lifted - BOX)
    assert off[[0, 1, 3, 4, 5]].max() < slack
    assert off[2] < 0.15, "seen from above, little of a box's foot is shown"


def test_what_stands_under_a_thing_is_lifted_with_it():
    """A board at 2 m whose leg is a piece of its own in depth, before a wall at 4 m."""
    depth = np.full((HEIGHT, WIDTH), 4.0, np.float32)
    depth[60:112, 80:180] = 2.0
    depth[116:150, 120:130] = 2.03
    view = View(np.zeros((HEIGHT, WIDTH, 3), np.uint8), depth, level_pose())
    whole = lift(view, np.array([80, 60, 180, 150], np.float32))
    board = lift(view, np.array([80, 60, 180, 112], np.float32))
    assert whole[2] < board[2] - 0.3 and whole[5] == pytest.approx(board[5], abs=0.02)


def level_pose():
    """At 1.5 m, looking along x."""
    pose = np.eye(4)
    pose[:3, :3] = np.array([[0, -1, 0], [0, 0, -1], [1, 0, 0]]).T
    pose[2, 3] = 1.5
    return pose


def test_nothing_seen_is_lifted_to_nothing():
    empty = View(np.zeros((HEIGHT, WIDTH, 3), np.uint8), np.zeros((HEIGHT, WIDTH), np.float32), np.eye(4))
    assert lift(empty, np.array([3, 3, 9, 9], np.float32)) is None
    assert lift(
        replace(empty, depth=np.ones_like(empty.depth)), np.array([5, 5, 5, 5], np.float32)
    ).shape == (6,)


def test_a_cut_rectangle_counts_only_where_no_view_shows_all():
    boxes = np.array([[[0, 10, 40, 50], [20, 20, 60, 60]], [[0, 10, 40, 50], [9, 9, 256, 90]]], np.float32)
    kept = np.isfinite(whole_boxes(boxes)[..., 0])
    assert kept.tolist() == [[False, True], [True, True]]
    assert iou_2d(boxes[0, 0], boxes[0, 0]) == 1 and iou_2d(boxes[0, 0], boxes[0, 0] + 100) == 0


def test_no_truth_about_instances_reaches_a_prediction(scan):
    assert {field.name for field in fields(View)} == {"colour", "depth", "pose"}
    blind = replace(scan, vertex_instance=np.full_like(scan.vertex_instance, -1), instances=())
    network = OneStage(**TINY).eval()
    told, blindly = (ground(network, views(one), ["the red box"])[0] for one in (scan, blind))
    assert told.view == blindly.view
    assert np.array_equal(told.rectangle, blindly.rectangle) and np.array_equal(told.box, blindly.box)


def batch(seed=0):
    scans = {"a": viewed_scan(seed), "b": viewed_scan(seed + 1)}
    said = [{name: [Sentence(name, "the lamp", 11), Sentence(name, "a chair here", 12)]} for name in scans]
    return next(training.batches(scans, said, Words(), seed))


def test_every_cell_of_every_view_answers_every_sentence():
    seen, words, targets = batch()
    found = OneStage(**TINY)(seen, words)
    scans, count = seen.stride8.shape[:2]
    assert sum(HEIGHT * WIDTH // stride**2 for stride in STRIDES) == CELLS
    assert found.scores.shape == (scans, training.SENTENCES, count * CELLS)
    assert found.boxes.shape == (*found.scores.shape, 4)
    assert (found.boxes[..., 2:] > found.boxes[..., :2]).all()
    assert targets.shown.shape == (scans, training.SENTENCES, count) and targets.shown.any(-1).all()
    one = type(seen)(*(level[:, :1] for level in vars(seen).values()))
    alone = OneStage(**TINY).eval()
    torch.testing.assert_close(
        alone(one, words).scores, alone(seen, words).scores[..., :CELLS], atol=1e-4, rtol=1e-4
    )


def test_cells_lie_where_they_say():
    places, middles, strides = cells(torch.device("cpu"))
    assert places.shape == (CELLS, 8) and middles[0].tolist() == [4, 4] and middles[-1].tolist() == [248, 184]
    assert places[:, :6].abs().max() <= 1 and strides[0] == 8 and strides[-1] == 16
    boxes = torch.tensor([[[[100.0, 80, 110, 88], [10, 10, 200, 150]]]])
    right = training.positives(training.Targets(boxes, torch.tensor([[[True, True]]])), middles, strides)
    small, large = right[0, 0]
    assert small.any() and (strides[small] == 8).all() and (strides[large] == 16).all()
    assert ((middles[large] - torch.tensor([105.0, 80])).abs() <= torch.tensor([47.5, 35])).all()


def test_everything_learns_and_a_batch_is_learnt_by_heart():
    torch.manual_seed(0)
    network = OneStage(32, 32, 0.0).train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-2)
    given = batch()
    first = training.losses(network, given, 0.0)
    first["loss"].backward()
    assert not [name for name, each in network.named_parameters() if each.grad is None]
    for _ in range(40):
        found = training.losses(network, given, 0.0)
        optimiser.zero_grad()
        found["loss"].backward()
        optimiser.step()
    assert found["surest"] < 0.3 * first["surest"] and found["iou"] > 0.6


def test_a_rectangle_overlaps_itself_wholly_and_another_less():
    a = torch.tensor([[0.0, 0, 10, 10]])
    iou, generalised = training.overlaps(a, a)
    assert iou.item() == 1 and generalised.item() == 1
    iou, generalised = training.overlaps(a, a + 20)
    assert iou.item() == 0 and -1 < generalised.item() < 0


def test_sentences_about_what_no_view_shows_are_left_out():
    scan = viewed_scan(0)
    scan.boxes[2] = np.nan
    said = [Sentence("a", "the lamp", 11), Sentence("a", "unseen", 12), Sentence("a", "not there", 99)]
    assert [one.text for one in answerable(said, {"a": scan})["a"]] == ["the lamp"]


def test_weights_come_back_from_disk(tmp_path):
    network = OneStage(**TINY).eval()
    network.save_pretrained(tmp_path)
    again = OneStage.from_pretrained(tmp_path).eval()
    seen, words, _ = batch()
    torch.testing.assert_close(again(seen, words).scores, network(seen, words).scores)


def test_the_table_has_chance_ours_the_bound_and_the_talk(scan, monkeypatch, tmp_path):
    said = [Sentence("room", "the red box", CRATE), Sentence("room", "the wall", ROOM)]
    asked = evaluation.AskedScan(scan, said, [evaluation.SHIPPED] * 2)
    monkeypatch.setattr(evaluation, "asked_scans", lambda data: [asked])
    monkeypatch.setattr(evaluation, "load_checkpoint", lambda *_: OneStage(**TINY).eval())
    monkeypatch.setattr(type(evaluation.GROUNDERS), "installed", lambda self: [])
    monkeypatch.setattr(results, "RESULTS", tmp_path / "RESULTS.md")
    rows = evaluation.evaluate(tmp_path)["grounding-2d"]
    chance, ours, lifted = rows[:3]
    assert [row["model"] for row in rows[:3]] == [evaluation.CHANCE, evaluation.OURS, evaluation.LIFTED]
    assert chance["acc@0.25"] == chance["acc@0.5"] == 50 and chance["2D@0.5"] == ""
    assert 0 <= ours["acc@0.5"] <= ours["acc@0.25"] <= 100 and ours["n"] == 2
    assert lifted["acc@0.5"] >= 50 and lifted["2D@0.5"] == 100, "the crate's true rectangle is lifted to it"
    assert [row["acc@0.5"] for row in rows[3:5]] == [6.45, 9.04]
    written = (tmp_path / "RESULTS.md").read_text()
    assert "evaluate grounding-2d" in written and "What differs from the talk" in written
