"""The shipped network: shapes, what each module adds, gradients, learning, and what it may not know."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from models.scene.grounding.batches import Targets
from models.scene.grounding.instancerefer.open_instancerefer import OpenBatch, OpenInstanceRefer
from models.scene.grounding.instancerefer.open_perception import NEVER, _interpolate
from models.scene.grounding.training import anchor_loss, losses

B, T, N, LABELS = 4, 6, 9, 11


def made(seed: int = 0) -> OpenBatch:
    generator = torch.Generator().manual_seed(seed)
    low = torch.rand(B, N, 3, generator=generator) * 4
    exists = torch.ones(B, N, dtype=torch.bool)
    exists[0, 6:] = False
    return OpenBatch(
        words=torch.randn(B, T, 384, generator=generator),
        word_mask=torch.ones(B, T, dtype=torch.bool),
        names=torch.nn.functional.normalize(torch.randn(B, N, 384, generator=generator), dim=-1)
        * exists[..., None],
        shapes=torch.zeros(B, N, 128),
        boxes=torch.cat([low, low + 0.2 + torch.rand(B, N, 3, generator=generator)], -1) * exists[..., None],
        colours=torch.rand(B, N, 3, generator=generator),
        exists=exists,
        room=torch.tensor([[0.0, 0.0, 0.0, 5.5, 5.5, 5.5]] * B),
    )


def network(**config) -> OpenInstanceRefer:
    torch.manual_seed(0)
    built = OpenInstanceRefer(label_count=LABELS, **config)
    built.encoder.labels.normal_()
    return built


def lesson() -> Targets:
    target = torch.tensor([1, 2, -1, 3])
    peers = torch.zeros(B, N, dtype=torch.bool)
    for row, places in enumerate(((1, 4), (2, 5), (0, 7), (3,))):
        peers[row, list(places)] = True
    labels = torch.randint(0, LABELS, (B, N), generator=torch.Generator().manual_seed(3))
    labels[0, 6:] = -1
    cell = torch.tensor([0, 4, -1, 8])
    anchors = torch.zeros(B, 3, N, dtype=torch.bool)
    anchors[0, 0, 3] = anchors[0, 1, 5] = anchors[1, 0, 4] = True
    plain = torch.tensor([False, False, False, True])
    return Targets(target, peers, ~peers & made().exists, ~peers, labels, cell, anchors, plain)


def test_shapes_and_what_is_no_object():
    found = network(candidates=16).eval()(made())
    assert found.scores.shape == found.candidates.shape == (B, N)
    assert found.anchors.shape == (B, N, N)
    assert found.cells.shape == (B, 9)
    assert found.labels.shape == (B, N, LABELS)
    assert (found.over_objects()[0, 6:] == NEVER).all()
    assert torch.isfinite(found.scores).all()


def test_an_object_is_no_anchor_of_itself():
    found = network().eval()(made())
    itself = found.candidates[:, :, None] == torch.arange(N)
    assert found.anchors[itself].max() < 1e-3


@pytest.mark.parametrize(
    ("modules", "silent"),
    [(("attribute",), ("relation", "location")), (("attribute", "relation"), ("location",))],
)
def test_a_module_that_is_left_out_says_nothing(modules, silent):
    found = network(modules=modules, matching="cosine").eval()(made())
    assert all((getattr(found, name) == 0).all() for name in silent)


def test_the_order_of_objects_does_not_matter():
    batch, built = made(), network().eval()
    order = torch.randperm(N, generator=torch.Generator().manual_seed(1))
    turned = replace(
        batch,
        **{
            name: getattr(batch, name)[:, order] for name in ("names", "shapes", "boxes", "colours", "exists")
        },
    )
    with torch.inference_mode():
        assert torch.allclose(built(batch).over_objects()[:, order], built(turned).over_objects(), atol=1e-4)


def test_padding_does_not_matter():
    batch, built = made(), network(candidates=4).eval()

    def wider(values: torch.Tensor) -> torch.Tensor:
        return torch.cat([values, torch.zeros_like(values[:, :5])], 1)

    padded = replace(
        batch,
        **{name: wider(getattr(batch, name)) for name in ("names", "shapes", "boxes", "colours", "exists")},
    )
    with torch.inference_mode():
        one, two = built(batch).over_objects(), built(padded).over_objects()
    assert torch.allclose(one, two[:, :N], atol=1e-3)


def test_nothing_in_a_batch_names_the_target():
    allowed = {"words", "word_mask", "names", "shapes", "boxes", "colours", "exists", "room"}
    assert {field.name for field in fields(OpenBatch)} == allowed


def test_gradients_reach_every_parameter():
    built = network().train()
    batch = replace(made(), shapes=torch.rand(B, N, 128))
    losses(built, (batch, lesson()), 0.5)["loss"].backward()
    assert [
        name for name, p in built.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0
    ] == []


def test_it_learns_one_batch_by_heart():
    built = network(dropout=0.0, drop_words=0.0).train()
    given = (made(), lesson())
    optimiser = torch.optim.Adam(built.parameters(), 2e-3)
    for _ in range(80):
        loss = losses(built, given, 0.0)
        optimiser.zero_grad()
        loss["loss"].backward()
        optimiser.step()
    assert loss["right"].detach() < 0.1
    assert loss["hit"] == 1


def test_a_learned_vocabulary_takes_indices():
    batch = replace(made(), words=torch.randint(1, 20, (B, T)))
    assert torch.isfinite(network(vocabulary=20).eval()(batch).scores).all()


def test_it_comes_back_from_its_folder_the_same(tmp_path):
    built = network().eval()
    built.save_pretrained(tmp_path)
    again = OpenInstanceRefer.from_pretrained(tmp_path).eval()
    with torch.inference_mode():
        assert torch.equal(built(made()).scores, again(made()).scores)


def test_the_anchor_loss_is_least_where_slots_ask_for_what_is_mentioned():
    taught = lesson()
    right = torch.full((B, 3, N + 1), -8.0)
    right[..., -1] = 8.0
    right[0, 0, 3] = right[0, 1, 5] = right[1, 2, 4] = 16.0
    wrong = right.roll(1, -1)
    assert anchor_loss(right.log_softmax(-1), taught) < 0.01
    assert anchor_loss(wrong.log_softmax(-1), taught) > 1


def test_cells_are_interpolated():
    at = torch.tensor([[[1 / 6, 1 / 6], [0.5, 0.5], [1 / 3, 1 / 6], [0.0, 1.0]]])
    weights = _interpolate(at)[0]
    assert weights.sum(1) == pytest.approx(np.ones(4))
    assert weights[0].argmax() == 0
    assert weights[1].argmax() == 4
    assert weights[2, :2].tolist() == pytest.approx([0.5, 0.5])
    assert weights[3].argmax() == 6
