"""Scan2Cap: its graph over the objects, its captioner, how both learn."""

import math
from dataclasses import replace

import pytest
import torch

from models.scene.captioning.around import chosen, collate, places_around
from models.scene.captioning.batches import NOTHING, Told, captions
from models.scene.captioning.scan2cap import ANGLES, RelationalGraph, Scan2Cap, overlaps
from models.scene.captioning.spoken_words import END, SILENT, STYLES, padded_ids
from models.scene.captioning.training import angle_loss, losses_scan2cap
from models.scene.captioning.unsaid import Unsaid
from tests.scene.test_open_xtrans2cap import room

WORDS = (
    *NOTHING,
    *["this", "is", "a", "red", "blue", "chair", "table", "lamp", ".", "it", "next", "to", "the", "near"],
)


def network(**sizes) -> Scan2Cap:
    torch.manual_seed(0)
    small = {"width": 32, "word_width": 24, "hidden": 48, "neighbours": 3, "longest": 14, "dropout": 0.0}
    return Scan2Cap(words=WORDS, **(small | sizes))


def lesson(net: Scan2Cap) -> Told:
    objects = room()
    said = ["this is a red chair .", "this is a blue table . it is near the red chair .", "a blue chair ."]
    shown = [chosen(objects, places_around(objects, place)) for place in (0, 1, 3)]
    ids = padded_ids([net.spoken.ids(text.split(), "scanrefer") for text in said])
    return Told(collate(shown), ids, torch.arange(3))


def boxes(*lows: tuple[float, float, float]) -> torch.Tensor:
    low = torch.tensor(lows)
    return torch.cat([low, low + 1], 1)[None]


def test_neighbours_are_the_nearest_others():
    graph = RelationalGraph(8, 2)
    places = boxes((0, 0, 0), (5, 0, 0), (2, 0, 0), (0.1, 0, 0), (9, 0, 0))
    exists = torch.tensor([[True, True, True, True, False]])
    near, there = graph._nearest(places, exists)
    assert near[0, 0].tolist() == [2, 1]  # not the box that is itself seen twice, nor what isn't there
    assert there[0, :4].all()
    alone = graph._nearest(places, torch.tensor([[True, False, False, False, False]]))[1]
    assert not alone[0, 0].any()


def test_overlap_of_boxes():
    found = overlaps(boxes((0, 0, 0), (0.5, 0, 0), (3, 0, 0)))[0]
    torch.testing.assert_close(found, torch.tensor([[1, 1 / 3, 0], [1 / 3, 1, 0], [0, 0, 1]]))
    assert overlaps(torch.zeros(1, 1, 6))[0, 0, 0] == 1


def test_padding_changes_nothing():
    net = network().eval()
    objects = room()
    small = chosen(objects, [1, 0])
    with torch.no_grad():
        alone, both = collate([small]), collate([small, objects])
        ids = padded_ids([net.spoken.ids(["this", "is"], "nr3d")] * 2)
        torch.testing.assert_close(net(alone, ids[:1])[0], net(both, ids)[0][:1])


def test_as_published_it_reads_votenets_features():
    net = network(objects="votenet", width=128, word_width=300, hidden=512)
    told = lesson(net)
    features = torch.randn(3, 5, 128)
    logits, graph, looks = net(told.around, told.ids, features)
    assert logits.shape == (*told.ids.shape, len(WORDS))
    assert graph.edges.shape == (3, 5, 3, 128) and graph.angles.shape == (3, 5, 3, ANGLES)
    torch.testing.assert_close(looks.sum(-1), torch.ones(told.ids.shape))
    other = net(told.around, told.ids, features + 1)[0]
    assert not torch.allclose(logits, other)


def test_every_parameter_learns():
    net = network()
    told = lesson(net)
    facing = torch.nn.functional.normalize(torch.randn(told.around.facing.shape), dim=-1)
    told = replace(told, around=replace(told.around, facing=facing))
    losses_scan2cap(net, told, 0.0)["loss"].backward()
    for name, value in net.named_parameters():
        assert value.grad is not None and (value.grad.abs().max() > 0 or name == "captioner.look.bias"), name


def test_angles_are_learned_where_both_fronts_are_known():
    net = network()
    around = lesson(net).around
    graph = net.related(around)
    assert angle_loss(graph, around.facing) == 0
    facing = torch.zeros_like(around.facing)
    facing[0, 0] = torch.tensor([1.0, 0])
    other = int(graph.near[0, 0, 0])
    facing[0, other] = torch.tensor([math.cos(2.0), math.sin(2.0)])
    pairs = [graph.angles[0, 0, 0]]
    if (graph.near[0, other] == 0).any():
        pairs.append(graph.angles[0, other, int((graph.near[0, other] == 0).nonzero()[0])])
    wanted = torch.full((len(pairs),), int(2.0 / math.pi * ANGLES))
    expected = torch.nn.functional.cross_entropy(torch.stack(pairs), wanted)
    torch.testing.assert_close(angle_loss(graph, facing), expected)


def test_one_batch_is_learned_by_heart_and_told(tmp_path):
    net = network()
    told = lesson(net)
    optimiser = torch.optim.Adam(net.parameters(), 5e-3)
    for _ in range(120):
        loss = losses_scan2cap(net, told, 0.0)["loss"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    net.eval().save_pretrained(tmp_path)
    again = Scan2Cap.from_pretrained(tmp_path).eval()
    expected = [net.spoken.text(row) for row in told.ids.tolist()]
    assert captions(again, [(room(), place) for place in (0, 1, 3)]) == expected
    ids, scores = again.best(told.around, "scanrefer")
    likely = (scores / (ids[..., 1:] != 0).sum(-1)).exp()
    assert ids.shape[:2] == (3, 1) and (likely > 0.5).all() and (likely <= 1).all()
    looks = again.attended(told.around, ids[:, 0])
    torch.testing.assert_close(looks.sum(-1), (ids[:, 0] != 0).float())


@pytest.mark.parametrize("seed", range(3))
def test_what_must_not_be_said_is_not(seed):
    torch.manual_seed(seed)
    net = network().eval()
    never = (*SILENT, WORDS.index("red"), END)
    ids, _ = net.best(lesson(net).around, "nr3d", Unsaid(never))
    assert (ids[..., 0] == STYLES["nr3d"]).all() and ids.shape[-1] == net.spoken.longest
    assert not set(ids[..., 1:].flatten().tolist()) & set(never)
